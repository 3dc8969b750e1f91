"""Random histories: the steps around invoices, their credits and their reversals."""

from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.histories.compared_history import ComparedHistory
from tests.histories.crediting_bodies import (
    ANY_REVERSALS,
    CREDITING_REVERSALS,
    GRANTED,
    any_invoices,
    crediting_invoices,
)
from tests.histories.drawing import SUBSCRIPTIONS, fresh_or_repeated, one_in
from tests.histories.placeholders import Fresh, Item, Json
from tests.histories.request_bodies import INVOICES, REDEMPTIONS, USUAL_REDEMPTIONS
from tests.histories.voucher_bodies import ADDED_CODES, VOUCHERS
from tests.support.database_between_tests import violations
from tests.support.tasks import task_named

CREDITING_ITEMS = fresh_or_repeated(crediting_invoices())
REDEMPTION_ITEMS, INVOICE_ITEMS = fresh_or_repeated(REDEMPTIONS), fresh_or_repeated(any_invoices())


class BillingHistories(ComparedHistory):
    """The steps of a history. A step sends a request to the task and to the model, and compares the whole answers."""

    @initialize(
        new=st.lists(VOUCHERS, min_size=3, max_size=6),
        added=st.lists(ADDED_CODES, max_size=2),
        redeemed=st.lists(REDEMPTIONS, min_size=2, max_size=8),
        crowded=one_in(4, SUBSCRIPTIONS),
    )
    def begin(self, new: list[Json], added: list[Json], redeemed: list[Json], crowded: str | None) -> None:
        """Create some vouchers, codes and redemptions, and sometimes fill a subscription up to the last discount."""
        self.send_all("create", self.bodies_of("create", [Fresh(each) for each in new]))
        self.send_all("add_codes", self.bodies_of("add_codes", [Fresh(each) for each in added]))
        self.redeem_all(self.bodies_of("redeem", [Fresh(each) for each in redeemed]))
        if crowded is not None:
            self.crowd(crowded)

    @rule(item=REDEMPTION_ITEMS)
    def redeem(self, item: Item) -> None:
        """Redeem by id or by code, or repeat an earlier request."""
        self.send_all("redeem", self.bodies_of("redeem", [item]))

    @rule(bodies=st.lists(USUAL_REDEMPTIONS, min_size=2, max_size=4), invoice=INVOICES)
    def redeem_and_apply(self, bodies: list[Json], invoice: Json) -> None:
        """Redeem some vouchers, and discount an invoice."""
        self.redeem_all(self.bodies_of("redeem", [Fresh(each) for each in bodies]))
        self.send_all("apply", self.bodies_of("apply", [Fresh(invoice)]))

    @rule(item=INVOICE_ITEMS)
    def apply(self, item: Item) -> None:
        """Discount an invoice, or repeat an earlier invoice."""
        self.send_all("apply", self.bodies_of("apply", [item]))

    @rule(items=st.lists(INVOICE_ITEMS, min_size=2, max_size=10))
    def apply_many(self, items: list[Item]) -> None:
        """Discount a batch of invoices: several periods, subscriptions and currencies, in any order."""
        self.apply_all(self.bodies_of("apply", items))

    @precondition(lambda self: self.invoices())
    @rule(items=st.lists(CREDITING_ITEMS, min_size=1, max_size=3))
    def credit(self, items: list[Item]) -> None:
        """Credit earlier invoices, one after the other."""
        self.send_all("apply", self.bodies_of("apply", items))

    @rule(invoice=any_invoices(), items=st.lists(CREDITING_ITEMS, min_size=1, max_size=5))
    def apply_and_credit(self, invoice: Json, items: list[Item]) -> None:
        """Discount an invoice, and credit it or others in the same batch."""
        self.apply_all(self.bodies_of("apply", [Fresh(invoice), *items]))

    @precondition(lambda self: self.model.credits)
    @rule(item=CREDITING_REVERSALS)
    def take_back(self, item: Json) -> None:
        """Reverse an invoice with credits."""
        self.send_all("reverse", self.bodies_of("reverse", [Fresh(item)]))

    @precondition(lambda self: self.invoices())
    @rule(item=fresh_or_repeated(ANY_REVERSALS))
    def reverse(self, item: Item) -> None:
        """Void or refund an invoice, or repeat an earlier reversal."""
        self.send_all("reverse", self.bodies_of("reverse", [item]))

    @rule()
    def sweep(self) -> None:
        """Sweep. No answer of a later step may depend on that."""
        answer = task_named("expiry.sweep")(request={})
        self.compare(answer, self.model.sweep(at=datetime.now(UTC)))

    @invariant()
    def the_audit_finds_nothing(self) -> None:
        """Audit the database after every step."""
        assert violations() == []


class CreditHistories(BillingHistories):
    """The steps around invoices alone, with discounts of each kind."""

    @initialize(bodies=GRANTED)
    def grant(self, bodies: list[Json]) -> None:
        """Create a percentage, a fixed amount, a balance and a ramp, and redeem them."""
        first = len(self.model.vouchers)
        self.send_all("create", self.bodies_of("create", [Fresh(each) for each in bodies]))
        place = {"project": "gigs", "customer": "cus_1", "subscription": "sub_1", "startsOn": "2024-01-31"}
        redeemed = [{**place, "voucher": each.id, "currency": "USD"} for each in self.model.vouchers[first:]]
        self.redeem_all(self.bodies_of("redeem", [Fresh(each) for each in redeemed]))
