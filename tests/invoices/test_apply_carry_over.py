"""Fixed vouchers with `carryOver`: one balance for all invoices, until it is used up or its window ends."""

from itertools import permutations

import pytest
from sqlalchemy import select, update

from models.discounts.discount import DISCOUNTS
from tests.support.database_between_tests import violations
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.statements import counted
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

PRICE = {"amount": 10_000, "currency": "USD", "currencyOptions": {"EUR": 9_000}}
MONTHS = [
    {"start": start, "end": end}
    for start, end in (("2026-01-01", "2026-02-01"), ("2026-02-01", "2026-03-01"), ("2026-03-01", "2026-04-01"))
]


def grant(**fields) -> dict:
    """Redeem a new balance of 100.00 on sub_1, starting in 2026."""
    voucher = create_voucher(**{"priceDiscount": PRICE, "carryOver": True, **fields})
    return redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2026-01-01")


def lines(amount: int) -> list[dict]:
    """Return the only line of an invoice."""
    return [{"id": "base", "amount": amount}]


def status() -> str:
    """Return the status of the only discount."""
    with transaction() as session:
        return str(session.execute(select(DISCOUNTS.c.status)).scalar_one())


def set_status(value: str) -> None:
    """Set the status of the only discount, whether that is right or not."""
    with transaction() as session:
        session.execute(update(DISCOUNTS).values(status=value, completed_at=None))


def test_a_voucher_shows_whether_it_carries_over():
    """A voucher that does not carry over has `false`."""
    voucher = create_voucher(priceDiscount=PRICE, carryOver=True)
    assert (voucher["carryOver"], create_voucher()["carryOver"]) == (True, False)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]}) == voucher


def test_the_rest_after_one_invoice_is_available_on_the_next():
    """After 80.00 and the rest of 20.00, the discount is completed, and its voucher can be redeemed again."""
    granted = grant()
    (first,) = apply(period=MONTHS[0])["discounts"]
    assert (first["amount"], first["debitBalance"], first["fullPriceFrom"]) == (8_000, 2_000, None)
    assert status() == "running"
    (second,) = apply(period=MONTHS[1])["discounts"]
    assert (second["amount"], second["debitBalance"], second["cycle"]) == (2_000, 0, 2)
    assert status() == "completed"
    third = apply(period=MONTHS[2])
    assert third["discounts"] == third["skipped"] == []
    assert redeem(voucher=granted["voucher"], subscription="sub_1", currency="USD")["outcome"] == "accepted"


def test_a_balance_that_is_used_up_is_not_listed_on_a_trial_either():
    """A used-up balance covers no invoice."""
    grant()
    apply(lines=lines(20_000))
    assert apply(trial=True)["skipped"] == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_arrival_and_the_currencies_never_give_more_than_the_amount(order):
    """Two of three invoices come in a batch. Each answer shows the rest in the invoice's own currency."""
    grant()
    several = [
        invoice(lines=lines(4_000), period=MONTHS[0]),
        invoice(lines=lines(3_000), period=MONTHS[1], currency="EUR"),
        invoice(lines=lines(4_500), period=MONTHS[2]),
    ]
    ordered = [several[index] for index in order]
    items = [
        *task_named("billing.apply_many")(request={"invoices": ordered[:2]})["items"],
        task_named("billing.apply")(request=ordered[2]),
    ]
    shares = [item["discountTotal"] / {"USD": 10_000, "EUR": 9_000}[item["currency"]] for item in items]
    assert 0.999 < sum(shares) <= 1
    assert items[-1]["discounts"][0]["debitBalance"] == 0
    assert apply()["discounts"] == []


@pytest.mark.parametrize(
    ("rest", "found"), [(4_999, []), (5_000, ["a discount whose balance or maximum in all is used up is completed"])]
)
def test_the_audit_knows_a_balance_that_is_used_up_in_several_currencies(rest, found):
    """Half was taken in each currency. A rest of one unit is enough for the discount to run."""
    grant()
    apply(lines=lines(4_500), currency="EUR")
    apply(lines=lines(rest))
    set_status("running")
    assert [violation.check for violation in violations()] == found
    set_status("completed")


def test_invoices_of_one_period_share_the_balance_too():
    """A balance is no allowance per period."""
    grant()
    items = task_named("billing.apply_many")(request={"invoices": [invoice(lines=lines(6_000)) for _ in range(3)]})[
        "items"
    ]
    assert [item["discountTotal"] for item in items] == [6_000, 4_000, 0]
    assert items[2]["skipped"] == []


def test_a_balance_ends_with_its_window():
    """After a month, the rest is lost."""
    grant(recurrence={"type": "repeating", "durationInMonths": 1})
    assert apply(period=MONTHS[0])["discounts"][0]["debitBalance"] == 2_000
    assert apply(period=MONTHS[1])["discounts"] == []
    assert task_named("expiry.sweep")(request={})["completed"] == 1


def test_a_balance_in_cycles_ends_with_its_last_cycle():
    """Two of three months are covered."""
    grant(recurrence={"type": "repeating", "durationInCycles": 2})
    totals = [apply(period=each, lines=lines(100))["discountTotal"] for each in MONTHS]
    assert totals == [100, 100, 0]


def test_a_replayed_invoice_takes_nothing_more():
    """The answer is the same, and so is the rest."""
    grant()
    request = invoice(lines=lines(6_000))
    assert task_named("billing.apply")(request=request) == task_named("billing.apply")(request=request)
    assert apply()["discounts"][0]["amount"] == 4_000


def test_other_discounts_of_the_invoice_show_no_balance():
    """They keep their own allowance in each period."""
    grant()
    other = create_voucher(priceDiscount={"amount": 500, "currency": "USD"})
    redeem(voucher=other["id"], subscription="sub_1", currency="USD", startsOn="2026-01-01")
    answers = [apply(period=each, lines=lines(1_000)) for each in MONTHS[:2]]
    assert [[each["debitBalance"] for each in answer["discounts"]] for answer in answers] == [[9_000], [8_000]]
    plain = apply(period=MONTHS[2], lines=lines(9_000))["discounts"]
    assert [(each["amount"], each["debitBalance"]) for each in plain] == [(8_000, 0), (500, None)]


def test_only_a_batch_with_a_balance_sends_one_more_statement_at_any_size():
    """A batch of 500 invoices sends as many statements as a single invoice."""
    redeem(voucher=create_voucher()["id"], subscription="sub_none")
    for index in range(20):
        redeem(**redemption(voucher=create_balance()["id"], subscription=f"sub_{index}", currency="USD"))
    with counted() as without:
        apply(subscription="sub_none")
    with counted() as one:
        apply(subscription="sub_0")
    with counted() as many:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index % 20}") for index in range(500)]}
        )
    assert many == one
    assert len(one) == len(without) + 1


def create_balance() -> dict:
    """Create a balance that nobody has redeemed yet."""
    return create_voucher(priceDiscount=PRICE, carryOver=True)
