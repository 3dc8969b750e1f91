"""Random histories of everything that a billing system can ask for, compared with a model.

After each step, the answer of the program is compared with the model's, and the database is audited.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test
from sqlalchemy import text

from tests.histories.billing_steps import INVOICE_ITEMS, REDEMPTION_ITEMS, BillingHistories, CreditHistories
from tests.histories.code_tasks import retire_code
from tests.histories.compared_history import answered, named
from tests.histories.crediting_bodies import ANY_REVERSALS
from tests.histories.drawing import PROJECTS, fresh_or_repeated
from tests.histories.ending import end, end_subscription
from tests.histories.hold_tasks import confirm, release
from tests.histories.placeholders import Fresh, Item, Json
from tests.histories.previewing import amounts_of, invoice_of, judged, redemption_of
from tests.histories.request_bodies import (
    ANOTHER_BODY,
    ENDED_SUBSCRIPTIONS,
    EXTENSIONS,
    HOLDS,
    IMPORTS,
    MOVES,
    PREVIEWS,
    PURCHASES,
    RECORDS,
    RESERVATIONS,
)
from tests.histories.voucher_bodies import ADDED_CODES, RETIREMENTS, UPDATES, VOUCHERS
from tests.support.administrator import as_administrator
from tests.support.tasks import task_named

INDEX = st.integers(0, 9)


# The end comes right after the beginning, so the end is before every instant that a hold is compared with.
LAPSE = text("""
    UPDATE holds SET expires_at = created_at + interval '1 microsecond'
    WHERE project = :project AND request_id = :request_id AND status = 'open'
""")


class Histories(BillingHistories):
    """All steps of a history: those around invoices, and the others."""

    @rule(item=fresh_or_repeated(VOUCHERS))
    def create(self, item: Item) -> None:
        """Create a voucher, or repeat an earlier request."""
        self.send_all("create", self.bodies_of("create", [item]))

    @rule(drawn_body=RETIREMENTS)
    def retire(self, drawn_body: Json) -> None:
        """Retire a voucher, in the right project or in another project."""
        body = self.made(drawn_body)
        answer = answered(task_named("vouchers.retire"), body)
        self.compare(answer, self.model.retire(body, at=self.happened_at(answer.get("retiredAt"))))

    @rule(item=fresh_or_repeated(UPDATES))
    def update(self, item: Item) -> None:
        """Change a voucher, or repeat an earlier change."""
        self.send_all("update", self.bodies_of("update", [item]))

    @rule(item=fresh_or_repeated(ADDED_CODES))
    def add_codes(self, item: Item) -> None:
        """Add codes to a voucher, or repeat an earlier request."""
        self.send_all("add_codes", self.bodies_of("add_codes", [item]))

    @precondition(lambda self: self.known_codes())
    @rule(index=INDEX, project=PROJECTS)
    def retire_code(self, index: int, project: str) -> None:
        """Retire a code, in the right project or in another project."""
        known = self.known_codes()
        code = known[index % len(known)]
        answer = answered(task_named("codes.retire"), {"project": project, "code": code.id})
        if project != code.voucher.body["project"]:
            self.compare(answer, {"notFound": "code"})
        else:
            self.compare(answer, retire_code(code, at=self.happened_at(answer["retiredAt"])))

    @rule(items=st.lists(REDEMPTION_ITEMS, min_size=2, max_size=10))
    def redeem_many(self, items: list[Item]) -> None:
        """Redeem a batch, with requests that may repeat or contradict each other."""
        self.redeem_all(self.bodies_of("redeem", items))

    @rule(items=st.lists(fresh_or_repeated(RESERVATIONS), min_size=1, max_size=3))
    def reserve(self, items: list[Item]) -> None:
        """Hold places, or repeat earlier requests."""
        self.send_all("reserve", self.bodies_of("reserve", items))

    @precondition(lambda self: self.model.holds)
    @rule(picks=st.lists(HOLDS, min_size=1, max_size=3))
    def confirm(self, picks: list[Json]) -> None:
        """Confirm holds: open, ended and already confirmed holds."""
        for pick in picks:
            hold = self.picked(pick)
            answer = task_named("redemptions.confirm")(request=named(hold, **pick))
            at = self.happened_at(answer["decidedAt"])
            self.compare(answer, confirm(self.model, hold, id=answer["id"], at=at))

    @precondition(lambda self: self.model.holds)
    @rule(picks=st.lists(HOLDS, min_size=1, max_size=3), changed=ANOTHER_BODY)
    def redeem_held(self, picks: list[Json], changed: Json) -> None:
        """Redeem under the ids of holds, with their bodies or with another body."""
        self.redeem_all([{**self.picked(pick).body, **changed} for pick in picks])

    @precondition(lambda self: self.model.holds)
    @rule(pick=HOLDS)
    def release(self, pick: Json) -> None:
        """Release a hold of any status."""
        hold = self.picked(pick)
        self.compare(task_named("redemptions.release")(request=named(hold, **pick)), release(self.model, hold))

    @precondition(lambda self: self.model.holds)
    @rule(pick=HOLDS)
    def lapse(self, pick: Json) -> None:
        """Let an open hold lapse. Nothing changes for a hold that has already ended."""
        hold = self.picked(pick)
        if hold.status != "open":
            return
        key = {"project": hold.body["project"], "request_id": hold.body["requestId"]}
        with as_administrator() as session:
            session.execute(LAPSE, key)
        hold.lapse()

    @rule(items=st.lists(fresh_or_repeated(RECORDS), min_size=1, max_size=4))
    def record(self, items: list[Item]) -> None:
        """Record usages, and collect stamps."""
        self.send_all("record", self.bodies_of("record", items))

    @rule(redemption=REDEMPTION_ITEMS, invoices=st.lists(INVOICE_ITEMS, min_size=1, max_size=3))
    def hold_back(self, redemption: Item, invoices: list[Item]) -> None:
        """Write requests that arrive later, or after their own duplicates."""
        self.delayed += [("redeem", each) for each in self.bodies_of("redeem", [redemption])]
        self.delayed += [("apply", each) for each in self.bodies_of("apply", invoices)]

    @precondition(lambda self: self.delayed)
    @rule(picks=st.lists(INDEX, min_size=1, max_size=6))
    def let_arrive(self, picks: list[int]) -> None:
        """Send requests that were held back, in another order."""
        for pick in picks[: len(self.delayed)]:
            verb, body = self.delayed.pop(pick % len(self.delayed))
            self.send_all(verb, [body])

    @precondition(lambda self: self.invoices())
    @rule(item=ANY_REVERSALS)
    def reverse_without_an_id(self, item: Json) -> None:
        """Reverse an invoice without a request id, any number of times. The first time stays."""
        body = {name: each for name, each in self.made(item).items() if name != "lines"}
        body["kind"] = "voided" if body["kind"] == "refunded" else body["kind"]
        self.send_all("reverse", [body])

    @precondition(lambda self: self.model.discounts)
    @rule(items=st.lists(fresh_or_repeated(MOVES), min_size=1, max_size=3))
    def move(self, items: list[Item]) -> None:
        """Move discounts, or repeat earlier moves."""
        self.send_all("move", self.bodies_of("move", items))

    @precondition(lambda self: self.model.discounts)
    @rule(items=st.lists(fresh_or_repeated(EXTENSIONS), min_size=1, max_size=3))
    def extend(self, items: list[Item]) -> None:
        """Extend discounts, or repeat earlier extensions."""
        self.send_all("extend", self.bodies_of("extend", items))

    @precondition(lambda self: self.model.vouchers)
    @rule(items=st.lists(fresh_or_repeated(IMPORTS), min_size=1, max_size=3))
    def import_discounts(self, items: list[Item]) -> None:
        """Import discounts that ran elsewhere, or repeat earlier imports."""
        self.send_all("import", self.bodies_of("import", items))

    @precondition(lambda self: self.model.discounts)
    @rule(index=INDEX, project=PROJECTS)
    def end_discount(self, index: int, project: str) -> None:
        """End a discount, in the right project or in another project."""
        discount = self.model.discounts[index % len(self.model.discounts)]
        answer = answered(task_named("discounts.end"), {"project": project, "discount": discount.id})
        if project != discount.project:
            self.compare(answer, {"notFound": "discount"})
        else:
            self.compare(answer, end(self.model, discount, at=self.happened_at(answer["endedAt"])))

    @precondition(lambda self: self.model.reversals)
    @rule(place=ENDED_SUBSCRIPTIONS)
    def end_subscription(self, place: Json) -> None:
        """End all discounts of a subscription."""
        answer = task_named("subscriptions.end")(request=place)
        self.compare(answer, end_subscription(self.model, place, at=self.happened_at(answer["endedAt"])))

    @rule(drawn_body=PREVIEWS)
    def preview(self, drawn_body: Json) -> None:
        """Preview a plan, with vouchers or without. No answer of a later step may depend on that."""
        self.check_previewed(self.made(drawn_body))

    @rule(drawn_body=PURCHASES)
    def buy(self, drawn_body: Json) -> None:
        """Preview vouchers and a plan, then redeem and bill exactly that."""
        body = self.made(drawn_body)
        shown = self.check_previewed(body)
        for redemption, validated in zip(
            self.bodies_of("redeem", [Fresh(redemption_of(body, each)) for each in body["redeem"]]),
            shown["redeem"],
            strict=True,
        ):
            answer = task_named("redemptions.redeem")(request=redemption)
            self.check_redeemed(redemption, answer=answer)
            self.compare(judged(validated), judged(answer))
        after = self.check_previewed({name: each for name, each in body.items() if name != "redeem"})
        self.compare(after["fullPriceFrom"], shown["fullPriceFrom"])
        for invoice, period in zip(
            self.bodies_of("apply", [Fresh(invoice_of(body, each)) for each in shown["periods"]]),
            shown["periods"],
            strict=True,
        ):
            answer = task_named("billing.apply")(request=invoice)
            self.check_applied(invoice, answer=answer)
            self.compare(amounts_of(period), amounts_of(answer))


def run(number: int | None = None, *, machine: type[BillingHistories] = Histories, **options: Any) -> None:
    """Run histories, with that seed if given. Slowness is no failure, because the machine may be busy."""
    quiet = settings(suppress_health_check=list(HealthCheck), print_blob=True, **options)
    # A new class for each seed, because `seed` changes the given class.
    seeded = machine if number is None else seed(number)(type("SeededHistories", (machine,), {}))
    run_state_machine_as_test(seeded, settings=quiet)


@pytest.mark.usefixtures("database")
def test_every_step_of_a_history_is_answered_as_the_contract_says():
    """Every run has the same histories."""
    # A failing history is not shrunk, because that takes minutes.
    run(max_examples=15, stateful_step_count=20, derandomize=True, database=None, phases=[Phase.generate])


@pytest.mark.scale
@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.usefixtures("database")
def test_so_is_every_step_of_ten_thousand_histories(number: int):
    """A thousand histories for each seed, the same in every run. That takes half an hour on two quiet cores."""
    run(number, max_examples=1_000, stateful_step_count=12, database=None)


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_so_is_every_step_of_a_history_of_credits():
    """Invoices, credits and reversals alone, so that they meet more often. Every run has the same histories."""
    options = {"max_examples": 15, "stateful_step_count": 20, "derandomize": True, "database": None}
    run(machine=CreditHistories, **options, phases=[Phase.generate])
