"""`billing.reverse` of invoices that a balance has paid: refunds go back into the balance."""

from typing import Any

import pytest

from tests.invoices.previews import look, totals
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, discount_row, refund, reverse
from tests.support.statements import counted
from tests.support.tasks import task_named
from tests.vouchers import forecasts

pytestmark = pytest.mark.usefixtures("database")

BALANCE = {
    "priceDiscount": {"amount": 10_000, "currency": "USD", "currencyOptions": {"EUR": 20_000}},
    "recurrence": {"type": "forever"},
    "carryOver": True,
}


def grant(**fields) -> str:
    """Redeem a new balance of 100.00 on sub_1 from 2027 on, and return the voucher."""
    voucher: str = create_voucher(**{**BALANCE, **fields})["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01", currency="USD")
    return voucher


def use_up() -> None:
    """Take 80.00 off inv_1 and the remaining 20.00 off inv_2."""
    taken = [apply(invoice="inv_1", period=FEBRUARY), apply(invoice="inv_2", period=MARCH)]
    assert [each["discountTotal"] for each in taken] == [8_000, 2_000]
    assert discount_row().status == "completed"


def left(voucher: str) -> int:
    """Return the rest of the balance, in the voucher's currency."""
    (item,) = task_named("usages.list")(request={"project": "gigs", "voucher": voucher})["items"]
    rest: int = item["statistics"]["debitBalance"]
    return rest


def test_a_refund_goes_back_into_the_balance_and_gives_no_cycle_back():
    """The discount runs again and takes off what was refunded, and nothing more."""
    voucher = grant()
    use_up()
    (refunded,) = refund("inv_1", "r1", base=3_000)["discounts"]
    assert (refunded["amount"], refunded["status"], refunded["cycles"]) == (3_000, "running", 2)
    assert (left(voucher), discount_row().entries_given_back) == (3_000, 0)
    answer = apply(period=APRIL)
    assert (answer["discountTotal"], answer["discounts"][0]["debitBalance"]) == (3_000, 0)
    assert (discount_row().status, apply()["discountTotal"]) == ("completed", 0)


def test_the_balance_of_a_period_that_was_refunded_is_taken_in_the_same_period_again():
    """The period counts once."""
    grant()
    use_up()
    refund("inv_1", "r1", base=8_000)
    assert apply(period=FEBRUARY)["discountTotal"] == 8_000
    assert discount_row().cycles == 2


def test_a_charge_back_gives_back_only_what_refunds_have_left():
    """30.00 and 50.00 are the 80.00 of the invoice. The other invoice keeps its 20.00."""
    voucher = grant()
    use_up()
    refund("inv_1", "r1", base=3_000)
    assert reverse("inv_1", "charged_back")["discountTotal"] == 5_000
    assert (left(voucher), discount_row().cycles) == (8_000, 1)
    assert [apply(period=APRIL)["discountTotal"] for _ in range(2)] == [8_000, 0]


def test_a_void_counts_the_refunds_of_other_invoices():
    """Half of the 20.00 of an invoice that stands was refunded."""
    voucher = grant()
    use_up()
    refund("inv_2", "r1", base=4_000)
    reverse("inv_1")
    assert (left(voucher), discount_row().status) == (9_000, "running")
    assert apply(period=APRIL)["discountTotal"] == 8_000
    assert apply(period=APRIL)["discountTotal"] == 1_000


def test_a_refund_counts_in_every_currency():
    """Half of the balance was taken in EUR, and a quarter is refunded."""
    voucher = grant()
    lines = [{"id": "base", "amount": 10_000}]
    apply(invoice="inv_1", currency="EUR", period=FEBRUARY, lines=lines)
    refund("inv_1", "r1", base=5_000)
    assert left(voucher) == 7_500


def test_a_refund_leaves_a_window_that_has_ended():
    """The balance grows, but the discount does not run again. A late invoice gets it all the same."""
    voucher = create_voucher(**{**BALANCE, "recurrence": {"type": "repeating", "durationInMonths": 1}})["id"]
    redeem(voucher=voucher, subscription="sub_1", startsOn="2024-01-01", currency="USD")
    january = {"start": "2024-01-01", "end": "2024-02-01"}
    apply(invoice="inv_1", period=january, lines=[{"id": "base", "amount": 10_000}])
    assert refund("inv_1", "r1", base=4_000)["discounts"][0]["status"] == "completed"
    assert apply(period=january)["discountTotal"] == 4_000


def test_a_refund_without_a_share_leaves_a_balance_used_up():
    """A tenth of a cent is rounded to nothing."""
    grant(priceDiscount={"amount": 800, "currency": "USD"})
    apply(invoice="inv_1", period=FEBRUARY)
    (refunded,) = refund("inv_1", "r1", base=1)["discounts"]
    assert (refunded["amount"], refunded["status"]) == (0, "completed")


def test_a_refilled_balance_finds_its_place_taken():
    """The voucher runs on the subscription again, so the first discount stays completed, and is applied."""
    voucher = grant()
    use_up()
    assert redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01", currency="USD")["outcome"] == "accepted"
    assert refund("inv_1", "r1", base=3_000)["discounts"][0]["status"] == "completed"
    assert apply(period=APRIL)["discountTotal"] == 3_000


def test_an_ended_balance_grows_and_stays_ended():
    """An operator's end is for good."""
    voucher = grant()
    use_up()
    task_named("subscriptions.end")(request={"project": "gigs", "subscription": "sub_1"})
    assert refund("inv_1", "r1", base=3_000)["discounts"][0]["status"] == "ended"
    assert (left(voucher), apply(period=APRIL)["discounts"]) == (3_000, [])


def test_a_discount_beside_a_balance_is_completed_if_its_window_has_ended():
    """No sweep has completed it before, and the answer to the refund agrees with the list."""
    terms: list[dict[str, Any]] = [
        {"priceDiscount": {"amount": 1_000, "currency": "USD"}, "carryOver": True},
        {"recurrence": {"type": "repeating", "durationInMonths": 1}},
    ]
    for each in terms:
        redeem(voucher=create_voucher(**each)["id"], subscription="sub_1", startsOn="2024-01-01", currency="USD")
    apply(invoice="inv_1", period={"start": "2024-01-01", "end": "2024-02-01"})
    discounts = refund("inv_1", "r1", base=4_000)["discounts"]
    assert [each["status"] for each in discounts] == ["running", "completed"]
    listed = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    assert {each["id"]: each["status"] for each in listed} == {each["discount"]: each["status"] for each in discounts}


def test_a_preview_has_what_was_refunded():
    """It agrees with the next invoice."""
    grant()
    use_up()
    refund("inv_1", "r1", base=3_000)
    assert totals(look(periods=2)) == [3_000, 0]


def test_a_forecast_has_what_was_refunded():
    """Two cycles took 50.00 each on average, and 30.00 are left."""
    grant()
    use_up()
    refund("inv_1", "r1", base=3_000)
    assert forecasts.costs(forecasts.look(since="2027-04-01")) == [3_000, 0, 0, 0]


def test_only_a_refund_of_a_balance_looks_for_a_place():
    """A refund of any other discount sends no statement for that."""
    grant()
    redeem(voucher=create_voucher()["id"], subscription="sub_2", startsOn="2027-01-01")
    apply(invoice="inv_1", subscription="sub_1")
    apply(invoice="inv_2", subscription="sub_2")
    counts = []
    for invoice in ("inv_1", "inv_2"):
        with counted() as statements:
            refund(invoice, invoice, base=1)
        counts.append([sum(name in each for each in statements) for name in ("FROM holds", "UPDATE discounts")])
    assert counts == [[1, 1], [0, 0]]
