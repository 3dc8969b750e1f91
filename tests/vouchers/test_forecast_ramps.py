"""Forecasts of discounts in phases: each coming phase costs its percentage of the average base, or its amount."""

import pytest

from tests.support.imports import import_discount
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import refund, reverse
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from tests.vouchers.forecasts import bill, costs, grant, look, month

pytestmark = pytest.mark.usefixtures("database")

UNITS = ("months", "cycles")
PLAN = {"interval": "month", "anchor": "2031-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}


def previewed(*, months: int = 4, subscription: str = "sub_1") -> list[int]:
    """Return the discounts of the coming months from March on, of invoices over 80.00."""
    body = {"project": "gigs", "subscription": subscription, "periods": months, "from": "2031-03-01", "plan": PLAN}
    return [each["discountTotal"] for each in task_named("billing.preview")(request=body)["periods"]]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([(50, 3), (25, 1)], [4_000, 2_000, 0, 0]),
        ([(50, 1), (25, 2), (10, 1)], [2_000, 800, 0, 0]),
        ([(10, 2), (20, 1), (30, 1), (40, 1)], [1_600, 2_400, 3_200, 0]),
    ],
)
def test_the_steps_are_those_of_the_preview(unit, phases, expected):
    """80.00 were billed in January and February."""
    grant(**ramp(*(phase(percentage, **{unit: length}) for percentage, length in phases)))
    bill(8_000, 8_000)
    assert costs(look()) == expected == previewed()


@pytest.mark.parametrize("unit", UNITS)
def test_two_invoices_of_a_cycle_are_one_base(unit):
    """100.00, and 30.00 twice: 80.00 on average."""
    grant(**ramp(phase(50, **{unit: 1}), phase(25, **{unit: 2}), phase(12.5, **{unit: 1})))
    bill(10_000)
    bill(3_000, first=2)
    bill(3_000, first=2)
    assert costs(look()) == [2_000, 1_000, 0, 0]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(
    ("restrictions", "half"), [({}, 4_000), ({"products": ["prod_a"]}, 0), ({"excludedProducts": ["prod_b"]}, 0)]
)
def test_an_amount_is_taken_whole_and_a_percentage_after_amounts_is_of_the_invoices(unit, restrictions, half):
    """If the ramp is for some products only, nothing tells the base."""
    phases = phase(amount=300, **{unit: 3}), phase(50, **{unit: 1}), phase(amount=700, **{unit: 1})
    voucher = create_voucher(**ramp(*phases), restrictions=restrictions)
    products = {"products": ["prod_a"]} if restrictions else {}
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2031-01-01", **products)
    for number in (1, 2):
        apply(period=month(number), lines=[{"id": "base", "amount": 8_000, "product": "prod_a"}])
    assert costs(look()) == [300, half, 700, 0]


def test_a_discount_in_two_currencies_costs_its_share_in_each():
    """A cycle in each of them: half of the amount in both."""
    both = {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 400}}
    grant(**ramp(phase(50, cycles=2), phase(amount=both, cycles=2)))
    bill(8_000)
    bill(6_000, currency="EUR", first=2)
    answer = look()
    assert (costs(answer), costs(answer, currency="EUR")) == ([250, 250, 0, 0], [200, 200, 0, 0])


@pytest.mark.parametrize("unit", UNITS)
def test_what_has_not_begun_goes_through_all_phases(unit):
    """By the average base of its voucher. A discount without any history is counted."""
    voucher = grant(**ramp(phase(50, **{unit: 1}), phase(amount=500, **{unit: 1}), phase(25, **{unit: 1})))
    bill(8_000, 8_000)
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-04-01")
    answer = look()
    assert costs(answer) == [2_000, 4_000, 500, 2_000]
    assert (answer["basis"]["byOwnAverage"], answer["basis"]["byVoucherAverage"]) == (1, 1)
    grant(subscription="sub_3", **ramp(phase(50, **{unit: 1})))
    assert look()["basis"]["withoutHistory"] == 1
    assert costs(look()) == costs(answer)


def test_what_was_given_back_counts_as_never_taken():
    """The first cycle was voided, so one more is to come, and the base is that of the other."""
    grant(**ramp(phase(50, cycles=2), phase(25, cycles=1)))
    bill(4_000, 8_000)
    (first, _) = task_named("billing.list")(request={"project": "gigs", "subscription": "sub_1"})["items"][::-1]
    reverse(first["invoice"])
    assert costs(look()) == [4_000, 2_000, 0, 0]


def test_a_budget_ends_the_costs_of_all_phases():
    """60.00 of 70.00 are spent."""
    grant(**ramp(phase(50, months=1), phase(25, months=3)), budget={"amount": 7_000, "currency": "USD"})
    bill(8_000, 8_000)
    assert costs(look()) == [1_000, 0, 0, 0]


@pytest.mark.parametrize("unit", UNITS)
def test_a_maximum_in_all_ends_the_costs_of_all_phases(unit):
    """80.00 of 130.00 are taken. Of the rest, a phase of 50 % takes 40.00, and the next one 10.00."""
    total = {"amount": 13_000, "currency": "USD"}
    grant(**ramp(phase(50, **{unit: 3}), phase(25, **{unit: 9})), maximumDiscountInAll=total)
    bill(8_000, 8_000)
    assert costs(look()) == [4_000, 1_000, 0, 0] == previewed()


def test_each_ramp_has_a_rest_of_its_own():
    """One has 10.00 left and the other 110.00. A third one has not begun."""
    total = {"amount": 15_000, "currency": "USD"}
    voucher = grant(**ramp(phase(50, months=12)), maximumDiscountInAll=total)["id"]
    for subscription, starts_on in (("sub_2", "2031-01-01"), ("sub_3", "2031-03-01")):
        redeem(voucher=voucher, subscription=subscription, currency="USD", startsOn=starts_on)
    bill(8_000, 20_000)
    bill(4_000, 4_000, subscription="sub_2")
    assert costs(look()) == [1_000 + 2_000 + 4_500, 2_000 + 4_500, 2_000 + 4_500, 2_000 + 1_500]


def test_what_came_back_to_a_maximum_in_all_is_taken_again():
    """A refund of half of February's 40.00."""
    total = {"amount": 8_000, "currency": "USD"}
    grant(**ramp(phase(50, months=2), phase(25, months=9)), maximumDiscountInAll=total)
    bill(8_000)
    apply(invoice="inv_2", period=month(2))
    assert costs(look()) == [0, 0, 0, 0]
    refund("inv_2", "r1", base=4_000)
    assert costs(look()) == [2_000, 0, 0, 0]


def test_currencies_share_the_rest_of_a_maximum_in_all():
    """A half is left. As the cycles so far, half of it goes in each currency."""
    total = {"amount": 8_000, "currency": "USD", "currencyOptions": {"EUR": 16_000}}
    grant(**ramp(phase(50, months=12)), maximumDiscountInAll=total)
    bill(4_000)
    bill(8_000, currency="EUR", first=2)
    answer = look()
    assert (costs(answer), costs(answer, currency="EUR")) == ([1_000, 1_000, 0, 0], [2_000, 2_000, 0, 0])


def test_amounts_of_elsewhere_are_taken_of_a_maximum_in_all():
    """30.00 of 80.00 were taken elsewhere, and 40.00 here."""
    total = {"amount": 8_000, "currency": "USD"}
    voucher = create_voucher(**ramp(phase(50, months=12)), maximumDiscountInAll=total)["id"]
    cycle = {"firstCycleStart": "2031-01-01", "cycles": 1, "lastCycle": month(1)}
    import_discount(voucher, **cycle, taken={"USD": 3_000})
    bill(8_000, first=2)
    assert costs(look()) == [1_000, 0, 0, 0]


def test_cycles_before_the_first_month_are_not_had_again():
    """They go through the phases, although their months are not shown."""
    grant(**ramp(phase(50, cycles=2), phase(25, cycles=2)))
    bill(8_000)
    near, far = look(since="2031-02-01", months=6), look(since="2031-04-01", months=4)
    assert costs(near) == [4_000, 2_000, 2_000, 0, 0, 0]
    assert far["months"] == near["months"][2:]


def test_an_extension_makes_the_last_phase_cost_more():
    """By two months."""
    grant(**ramp(phase(50, months=1), phase(25, months=2)))
    bill(8_000, 8_000)
    (discount,) = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    task_named("discounts.extend")(request={"project": "gigs", "discount": discount["id"], "months": 2})
    assert costs(look()) == [2_000, 2_000, 2_000, 0]


def test_any_number_of_ramps_takes_the_same_statements_and_none_reads_a_table():
    """20 discounts have started and 20 have not. No plan has a sequential scan."""
    voucher = grant(subscription="sub_0", **ramp(phase(50, months=1), phase(amount=100, months=9)))
    bill(8_000, subscription="sub_0")
    with counted() as one:
        look()
    for number in range(1, 40):
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", startsOn="2031-01-01", currency="USD")
        if number < 20:
            bill(8_000, subscription=f"sub_{number}")
    with counted() as many:
        look()
    assert many == one
    with explained() as plans:
        look()
        look(voucher=voucher["id"])
    assert [each for each in plans if any(scan in each for scan in SCANS)] == []


def test_ramps_and_other_discounts_are_counted_together():
    """And add up."""
    grant(**ramp(phase(50, months=9)))
    grant(subscription="sub_2")
    bill(8_000)
    bill(8_000, subscription="sub_2")
    answer = look()
    assert costs(answer) == [4_800] * 4
    assert answer["basis"]["discounts"] == answer["basis"]["byOwnAverage"] == 2
