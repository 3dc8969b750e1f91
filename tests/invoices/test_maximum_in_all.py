"""`maximumDiscountInAll`: the most that a customer's discount gives over its life."""

from itertools import permutations
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.invoices.previews import look, totals
from tests.support.changes import extend, move
from tests.support.credits import credit
from tests.support.imports import import_discount
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, discount_row, grant, refund, reverse
from tests.support.statements import counted
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# 10 % of 80.00 are 8.00 an invoice, so the total of 20.00 lasts for two and a half.
TOTAL = {"amount": 2_000, "currency": "USD"}
IN_TWO_CURRENCIES = {**TOTAL, "currencyOptions": {"EUR": 1_000}}
MONTHS = (FEBRUARY, MARCH, APRIL)


def use_up() -> None:
    """Take 8.00 off inv_1 and inv_2, and the remaining 4.00 off inv_3."""
    taken = [apply(invoice=f"inv_{number}", period=each) for number, each in enumerate(MONTHS, start=1)]
    assert [each["discountTotal"] for each in taken] == [800, 800, 400]
    assert [each["discounts"][0]["debitBalance"] for each in taken] == [1_200, 400, 0]
    assert discount_row().status == "completed"


def left(voucher: str) -> int | None:
    """Return the rest of the total in the usage of a voucher, in the total's main currency."""
    (item,) = task_named("usages.list")(request={"project": "gigs", "voucher": voucher})["items"]
    rest: int | None = item["statistics"]["debitBalance"]
    return rest


def listed() -> dict[str, Any]:
    """Return the only discount of sub_1."""
    (found,) = task_named("discounts.list")(
        request={"project": "gigs", "subscription": "sub_1", "status": ["running", "completed"]}
    )["items"]
    return dict(found)


def test_the_total_is_shown_by_the_voucher_and_the_discount():
    """In the form of `priceDiscount`, and null without one."""
    voucher = create_voucher(maximumDiscountInAll=TOTAL)
    shown = {**TOTAL, "currencyOptions": {}}
    assert (voucher["maximumDiscountInAll"], create_voucher()["maximumDiscountInAll"]) == (shown, None)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]}) == voucher
    redeem(voucher=voucher["id"], subscription="sub_1")
    assert listed()["maximumDiscountInAll"] == shown


def test_the_last_invoice_gets_the_rest_and_completes_the_discount():
    """A later invoice does not list it, on a trial neither, and its voucher can be redeemed again."""
    voucher = grant(maximumDiscountInAll=TOTAL)["voucher"]
    use_up()
    later = [apply(period=MARCH), apply(period=MARCH, trial=True)]
    assert [(each["discounts"], each["skipped"]) for each in later] == [([], []), ([], [])]
    assert redeem(voucher=voucher, subscription="sub_1")["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, [800, 800, 400]),
        ({"priceDiscount": {"amount": 900, "currency": "USD"}}, [900, 900, 200]),
        ({"maximumDiscount": {"amount": 700, "currency": "USD"}}, [700, 700, 600]),
        (ramp(phase(20, months=1), phase(amount=300, months=5)), [1_600, 300, 100]),
        (ramp(phase(amount=1_900, cycles=1), phase(50, cycles=5)), [1_900, 100, 0]),
        ({"recurrence": {"type": "once"}, "priceDiscountPercentage": 50}, [2_000, 0, 0]),
        ({"recurrence": {"type": "repeating", "durationInCycles": 2}}, [800, 800, 0]),
    ],
)
def test_every_kind_of_discount_stops_at_its_total(terms, expected):
    """A percentage, a fixed amount per cycle, a ramp; whichever limit comes first. A preview says the same."""
    grant(maximumDiscountInAll=TOTAL, **terms)
    assert totals(look(periods=3)) == expected
    assert [apply(period=each)["discountTotal"] for each in MONTHS] == expected


def test_a_fixed_amount_is_one_of_the_cycle_all_the_same():
    """Two invoices of February share 9.00; the total has 20.00."""
    grant(priceDiscount={"amount": 900, "currency": "USD"}, maximumDiscountInAll=TOTAL)
    assert [apply()["discountTotal"] for _ in range(2)] == [900, 0]
    assert apply()["skipped"][0]["reason"] == "nothing_left"


def test_the_total_is_of_each_discount():
    """Two customers get 20.00 each."""
    voucher = create_voucher(priceDiscountPercentage=50, maximumDiscountInAll=TOTAL)["id"]
    for number in (1, 2):
        redeem(voucher=voucher, subscription=f"sub_{number}")
    assert [apply(subscription=f"sub_{number}")["discountTotal"] for number in (1, 2)] == [2_000, 2_000]


def test_a_currency_that_the_total_does_not_name_gets_nothing():
    """No maximum is known there, as with `maximumDiscount`."""
    grant(maximumDiscountInAll=TOTAL)
    assert apply(currency="EUR")["skipped"][0]["reason"] == "currency_mismatch"


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_currencies_share_the_total_in_any_order(order):
    """4.00 of EUR 10.00 is two fifths of the total, as USD 8.00 of 20.00 is."""
    grant(maximumDiscountInAll=IN_TWO_CURRENCIES)
    lines = {"EUR": [{"id": "base", "amount": 4_000}], "USD": [{"id": "base", "amount": 8_000}]}
    bodies = [invoice(period=FEBRUARY), invoice(currency="EUR", lines=lines["EUR"]), invoice(period=APRIL)]
    answers = [task_named("billing.apply")(request=bodies[number]) for number in order]
    whole = {"USD": 2_000, "EUR": 1_000}
    assert sum(each["discountTotal"] / whole[each["currency"]] for each in answers) == pytest.approx(1)
    assert (answers[-1]["discounts"][0]["debitBalance"], discount_row().status) == (0, "completed")


def test_a_batch_of_one_subscription_shares_the_total():
    """Each invoice counts those before it, and a redelivery takes nothing more."""
    grant(maximumDiscountInAll=TOTAL)
    request = {"invoices": [invoice(period=each) for each in (*MONTHS, APRIL)]}
    answers = [task_named("billing.apply_many")(request=request)["items"] for _ in range(2)]
    assert [each["discountTotal"] for each in answers[0]] == [800, 800, 400, 0]
    assert answers[0] == answers[1]


def test_a_void_gives_the_amount_back_and_lets_it_run_again():
    """As if the invoice had never been."""
    voucher = grant(maximumDiscountInAll=TOTAL)["voucher"]
    use_up()
    assert reverse("inv_1")["discounts"][0]["status"] == "running"
    assert (left(voucher), listed()["completedAt"]) == (800, None)
    assert [apply(period=FEBRUARY)["discountTotal"] for _ in range(2)] == [800, 0]


def test_a_refund_gives_its_share_back_and_no_cycle():
    """What was given, net of what was given back, is never more than the total."""
    voucher = grant(maximumDiscountInAll=TOTAL)["voucher"]
    use_up()
    (refunded,) = refund("inv_1", "r1", base=4_000)["discounts"]
    assert (refunded["amount"], refunded["status"], refunded["cycles"]) == (400, "running", 3)
    assert (left(voucher), totals(look(periods=2))) == (400, [400, 0])
    assert [apply(period=APRIL)["discountTotal"] for _ in range(2)] == [400, 0]


def test_a_refund_of_a_single_invoice_leaves_it_completed():
    """Its one invoice has come."""
    grant(recurrence={"type": "once"}, maximumDiscountInAll=TOTAL)
    apply(invoice="inv_1")
    assert refund("inv_1", "r1", base=4_000)["discounts"][0]["status"] == "completed"


def test_a_refund_in_full_returns_the_customers_place():
    """The cycle is lost, other than with a balance, so the customer may redeem the voucher again."""
    limits = {"maximumRedemptionsPerCustomer": 1}
    voucher = create_voucher(recurrence={"type": "once"}, maximumDiscountInAll=TOTAL, restrictions=limits)["id"]
    for number, outcome in enumerate(["accepted", "refused"]):
        assert redeem(voucher=voucher, customer="cus_1", subscription=f"sub_{number}")["outcome"] == outcome
    apply(invoice="inv_1", subscription="sub_0")
    refund("inv_1", "r1", base=8_000)
    assert redeem(voucher=voucher, customer="cus_1", subscription="sub_1")["outcome"] == "accepted"


def test_a_credit_gives_its_share_back_and_a_void_of_it_takes_it_again():
    """The discount runs again with the credit, and is completed when that is taken back."""
    voucher = grant(maximumDiscountInAll=TOTAL)["voucher"]
    use_up()
    credit(4_000, of="inv_1", invoice="inv_4", trial=True)
    assert (left(voucher), discount_row().status) == (400, "running")
    assert reverse("inv_4")["discounts"][-1]["status"] == "completed"
    assert (left(voucher), apply(period=APRIL)["discounts"]) == (0, [])


def test_the_invoice_of_a_credit_can_use_what_it_gives_back():
    """The credit comes first."""
    grant(maximumDiscountInAll=TOTAL)
    taken = [apply(invoice=f"inv_{number}", period=each) for number, each in enumerate(MONTHS[:2], start=1)]
    assert sum(each["discountTotal"] for each in taken) == 1_600
    lines = [
        {"id": "unused", "amount": -4_000, "creditOf": {"invoice": "inv_1", "line": "base"}},
        {"id": "base", "amount": 8_000},
    ]
    assert [each["discount"] for each in apply(period=APRIL, lines=lines)["lines"]] == [-400, 800]
    assert discount_row().status == "completed"


def test_a_refilled_total_finds_its_place_taken():
    """The voucher runs on the subscription again, so the first discount stays completed, and is applied."""
    voucher = grant(maximumDiscountInAll=TOTAL)["voucher"]
    use_up()
    redeem(voucher=voucher, subscription="sub_1", startsOn="2027-01-01")
    assert refund("inv_1", "r1", base=4_000)["discounts"][0]["status"] == "completed"


@pytest.mark.parametrize(
    ("taken", "expected"),
    [({"USD": 1_500}, [500, 0]), ({}, [800, 800]), ({"EUR": 500}, [800, 200]), ({"USD": 1_000, "EUR": 250}, [500, 0])],
)
def test_amounts_of_elsewhere_count(taken, expected):
    """Also in another currency."""
    voucher = create_voucher(maximumDiscountInAll=IN_TWO_CURRENCIES)["id"]
    cycle = {"firstCycleStart": "2027-01-01", "cycles": 1, "lastCycle": {"start": "2027-01-01", "end": "2027-02-01"}}
    assert import_discount(voucher, **cycle, taken=taken)["status"] == "running"
    assert [apply(period=each)["discountTotal"] for each in MONTHS[:2]] == expected


def test_a_discount_that_took_all_elsewhere_is_completed():
    """It cannot have taken more, or in a currency that the total does not name."""
    voucher = create_voucher(maximumDiscountInAll=TOTAL)["id"]
    cycle = {"firstCycleStart": "2027-01-01", "cycles": 1, "lastCycle": {"start": "2027-01-01", "end": "2027-02-01"}}
    assert import_discount(voucher, ref="all", **cycle, taken={"USD": 2_000})["status"] == "completed"
    with pytest.raises(InvalidRequest) as error:
        import_discount(voucher, ref="more", **cycle, taken={"USD": 2_001})
    assert [each["field"] for each in error.value.errors] == ["taken"]
    assert import_discount(voucher, ref="other", **cycle, taken={"EUR": 1})["reason"] == "currency_mismatch"


def test_a_used_up_discount_is_neither_moved_nor_extended():
    """More time would give nothing."""
    discount = grant(maximumDiscountInAll=TOTAL, recurrence={"type": "repeating", "durationInMonths": 6})["discount"]
    use_up()
    assert extend(discount, months=1)["reason"] == "discount_completed"
    assert move(discount)["reason"] == "discount_completed"


def test_a_moved_and_an_extended_discount_keep_their_rest():
    """Other subscriptions and more time give no more."""
    discount = grant(maximumDiscountInAll=TOTAL, recurrence={"type": "repeating", "durationInMonths": 2})["discount"]
    apply(period=FEBRUARY)
    extend(discount, months=2)
    move(discount)
    moved = discount_row().subscription
    answers = [apply(period=each, subscription=moved)["discountTotal"] for each in (MARCH, APRIL)]
    assert answers == [800, 400]


def test_a_used_up_discount_elsewhere_is_not_offered_to_be_moved():
    """Whether something came back to it is in the ledger."""
    limits = {"maximumRedemptionsPerCustomer": 1}
    voucher = create_voucher(maximumDiscountInAll=TOTAL, restrictions=limits)["id"]
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-01-01")
    again = {"voucher": voucher, "customer": "cus_1", "subscription": "sub_2"}
    assert redeem(**again)["discount"] is not None
    use_up()
    assert redeem(**again)["discount"] is None


def test_a_preview_does_not_end_before_the_total():
    """The full price applies from the period after the rest."""
    grant(maximumDiscountInAll=TOTAL)
    answer = look(periods=1)
    assert (totals(answer), answer["fullPriceFrom"]) == ([800], "2027-04-01")


def test_a_batch_with_a_total_sends_one_more_statement():
    """At any size."""
    redeem(voucher=create_voucher()["id"], subscription="sub_none")
    for number in range(5):
        redeem(voucher=create_voucher(maximumDiscountInAll=TOTAL)["id"], subscription=f"sub_{number}")
    with counted() as without:
        apply(subscription="sub_none")
    with counted() as one:
        apply(subscription="sub_0")
    with counted() as many:
        bodies = [invoice(subscription=f"sub_{number % 5}") for number in range(50)]
        task_named("billing.apply_many")(request={"invoices": bodies})
    assert many == one
    assert len(one) == len(without) + 1
