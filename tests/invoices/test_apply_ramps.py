"""Ramps on invoices: each cycle is discounted by the price of its phase, whatever comes and goes in between."""

from typing import Any

import pytest
from sqlalchemy import text

from tests.support.changes import extend, move
from tests.support.credits import credit
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import discount_row, grant, reverse
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

UNITS = ("months", "cycles")
HALF_THEN_A_QUARTER = [ramp(phase(50, **{unit: 2}), phase(25, **{unit: 3})) for unit in UNITS]


def month(number: int) -> dict[str, str]:
    """Return a month of 2027 and 2028 by its number, from 1."""
    starts = [f"{2027 + each // 12}-{each % 12 + 1:02}-01" for each in (number - 1, number)]
    return dict(zip(("start", "end"), starts, strict=True))


def bill(*numbers: int, **fields: Any) -> list[tuple[int, int | None]]:
    """Discount an invoice over 80.00 of each month, and return the amounts and the phases."""
    answers = [apply(period=month(number), **fields) for number in numbers]
    return [
        (answer["discountTotal"], answer["discounts"][0]["phase"] if answer["discounts"] else None)
        for answer in answers
    ]


@pytest.mark.parametrize("terms", HALF_THEN_A_QUARTER)
def test_each_cycle_has_the_price_of_its_phase(terms):
    """And the full price afterwards. The ledger says which phase each was in."""
    grant(**terms)
    assert bill(1, 2, 3, 4, 5, 6) == [(4000, 1), (4000, 1), (2000, 2), (2000, 2), (2000, 2), (0, None)]
    with transaction() as session:
        rows = session.execute(text("SELECT phase FROM usage_entries ORDER BY cycle_start")).scalars().all()
    assert rows == [1, 1, 2, 2, 2]
    assert apply(period=month(5))["discounts"][0]["fullPriceFrom"] == "2027-06-01"


def test_a_discount_that_is_no_ramp_has_no_phase():
    """The answer says null, and so does the ledger."""
    grant()
    assert bill(1) == [(800, None)]


def test_phases_may_be_percentages_and_amounts():
    """An amount is an allowance for each of its cycles, which the invoices of the cycle share."""
    grant(**ramp(phase(amount=9_000, cycles=2), phase(50, cycles=1), phase(amount=500, cycles=1)))
    assert bill(1, 1, 1) == [(8000, 1), (1000, 1), (0, None)]
    assert bill(2) == [(8000, 1)]
    assert bill(3, 3) == [(4000, 2), (4000, 2)]
    # The second cycle has the rest of its own allowance, not of the one that its phase has now.
    assert bill(4, 2, 4) == [(500, 3), (1000, 1), (0, None)]


def test_the_invoices_of_a_batch_go_through_the_phases():
    """They are decided together, each on top of those before."""
    grant(**ramp(phase(50, cycles=1), phase(25, cycles=2)))
    invoices = [invoice(period=month(number)) for number in (2, 1, 2, 3, 1, 4)]
    items = task_named("billing.apply_many")(request={"invoices": invoices})["items"]
    assert [each["discountTotal"] for each in items] == [4000, 2000, 4000, 2000, 2000, 0]


def test_a_cycle_of_months_that_arrives_late_moves_the_window_and_no_other_cycle():
    """The phases of cycles that were discounted stay, and those of new ones go by the window."""
    grant(**ramp(phase(50, months=2), phase(25, months=4)))
    assert bill(3, 4, 2, 3, 4, 5) == [(4000, 1), (4000, 1), (4000, 1), (4000, 1), (4000, 1), (2000, 2)]


@pytest.mark.parametrize("kind", ["voided", "charged_back"])
def test_a_cycle_that_was_given_back_frees_its_place(kind):
    """The other cycles stay in their phases, and the next new one takes the place."""
    grant(**ramp(phase(50, cycles=1), phase(25, cycles=1), phase(10, cycles=2)))
    first, *_ = [apply(period=month(number), invoice=f"inv_{number}") for number in (1, 2, 3)]
    reverse(first["invoice"], kind)
    assert bill(2, 3, 4, 4, 5, 6) == [(2000, 2), (800, 3), (4000, 1), (4000, 1), (800, 3), (0, None)]


def test_after_a_void_of_the_first_month_the_window_begins_anew():
    """A second invoice of a month that stands keeps its phase."""
    grant(**ramp(phase(50, months=1), phase(25, months=2)))
    first, *_ = [apply(period=month(number), invoice=f"inv_{number}") for number in (1, 2)]
    reverse(first["invoice"])
    assert bill(2, 3, 4, 5) == [(2000, 2), (2000, 2), (2000, 2), (0, None)]


def test_a_cycle_that_was_voided_and_billed_again_counts_anew():
    """As if the first invoice had never been."""
    grant(**ramp(phase(50, cycles=1), phase(25, cycles=1)))
    answers = [apply(period=month(number), invoice=f"inv_{number}") for number in (1, 2)]
    for each in answers:
        reverse(each["invoice"])
    assert bill(2, 1, 3) == [(4000, 1), (2000, 2), (0, None)]


def test_a_cycle_with_two_invoices_keeps_its_phase_if_one_is_voided():
    """The other one still stands."""
    grant(**ramp(phase(50, cycles=1), phase(25, cycles=1)))
    one, _, _ = (apply(period=month(number)) for number in (1, 1, 2))
    reverse(one["invoice"])
    assert bill(1, 2, 3) == [(4000, 1), (2000, 2), (0, None)]


def test_a_credit_refills_the_allowance_of_its_phase():
    """The cycle stays in the phase, even if all of it was credited."""
    grant(**ramp(phase(amount=6_000, cycles=1), phase(amount=1_000, cycles=1)))
    apply(invoice="inv_1", period=month(1))
    assert bill(2) == [(1000, 2)]
    credit(8_000, of="inv_1", period=month(1))
    assert bill(1, 1, 2) == [(6000, 1), (0, None), (0, None)]


@pytest.mark.parametrize("unit", UNITS)
def test_a_moved_discount_goes_on_in_its_phase(unit):
    """Cycles count, on whatever subscription they were."""
    granted = grant(**ramp(phase(50, **{unit: 2}), phase(25, **{unit: 1})))
    assert bill(1) == [(4000, 1)]
    move(granted["discount"], "sub_2")
    assert bill(2, 3, 4, subscription="sub_2") == [(4000, 1), (2000, 2), (0, None)]


@pytest.mark.parametrize("unit", UNITS)
def test_an_extension_lengthens_the_last_phase(unit):
    """The discount shows it, and the earlier phase stays as it was."""
    granted = grant(**ramp(phase(50, **{unit: 1}), phase(25, **{unit: 1})))
    extended = extend(granted["discount"], **{unit: 2})
    name = f"durationIn{unit.capitalize()}"
    assert [each[name] for each in extended["recurrence"]["phases"]] == [1, 3]
    assert (extended["history"][0]["from"], extended["history"][0]["to"]) == ({name: 2}, {name: 4})
    assert bill(1, 2, 3, 4, 5) == [(4000, 1), (2000, 2), (2000, 2), (2000, 2), (0, None)]


def test_the_sweep_completes_a_ramp_after_its_last_phase():
    """In months with the end of the window, in cycles with the end of the last one."""
    for unit in UNITS:
        voucher = create_voucher(**ramp(phase(50, **{unit: 1}), phase(25, **{unit: 1})))
        redeem(voucher=voucher["id"], subscription=f"sub_{unit}", customer="cus_1", startsOn="2025-01-01")
        apply(subscription=f"sub_{unit}", period={"start": "2025-01-01", "end": "2025-02-01"})
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    apply(subscription="sub_cycles", period={"start": "2025-02-01", "end": "2025-03-01"})
    assert task_named("expiry.sweep")(request={})["completed"] == 1


def test_a_phase_without_an_amount_in_the_currency_takes_nothing():
    """Of months, the window goes on. So the last phase has its turn, and a redemption without currency is refused."""
    euros = {"amount": 100, "currency": "EUR"}
    voucher = create_voucher(**ramp(phase(50, months=1), phase(amount=euros, months=1), phase(25, months=1)))
    assert redeem(voucher=voucher["id"], currency="USD")["reason"] == "currency_mismatch"
    assert redeem(voucher=voucher["id"])["reason"] == "currency_mismatch"
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2027-01-01", currency="EUR")
    answers = [apply(period=month(number)) for number in (1, 2, 3)]
    assert [each["discountTotal"] for each in answers] == [4000, 0, 2000]
    assert [each["skipped"] and each["skipped"][0]["reason"] for each in answers] == [[], "currency_mismatch", []]


def test_caps_and_a_budget_limit_each_phase():
    """The maximum on an invoice, and the budget of all."""
    terms = ramp(phase(50, cycles=1), phase(25, cycles=3))
    grant(
        **terms,
        maximumDiscount={"amount": 3_000, "currency": "USD"},
        budget={"amount": 6_000, "currency": "USD"},
    )
    assert bill(1, 2, 3, 4) == [(3000, 1), (2000, 2), (1000, 2), (0, None)]


def test_the_phases_of_a_discount_are_those_of_its_redemption():
    """The row has a copy of the voucher's."""
    grant(**ramp(phase(33.3333, months=2), phase(amount=500, months=1)))
    row = discount_row()
    assert [(each["percentage_millionths"], each["amounts_minor"], each["duration"]) for each in row.phases] == [
        (333_333, None, 2),
        (None, {"USD": 500}, 1),
    ]
    assert (row.percentage_millionths, row.amounts_minor, row.duration_in_months) == (None, None, 3)


def test_any_number_of_ramps_takes_the_same_statements_and_none_reads_a_table():
    """The phases of all discounts of a batch are read at once, and without a ramp no statement is sent for them."""
    grant()
    with counted() as without:
        apply(period=month(1))
    for number in range(2, 30):
        voucher = create_voucher(**ramp(phase(50, cycles=1), phase(25, cycles=9)))
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", customer="cus_1", startsOn="2027-01-01")
    with counted() as one:
        apply(subscription="sub_2", period=month(1))
    invoices = [invoice(subscription=f"sub_{number}", period=month(1)) for number in range(3, 30)]
    with counted() as many:
        task_named("billing.apply_many")(request={"invoices": invoices})
    assert many == one
    assert len(one) == len(without) + 1
    with explained() as plans:
        apply(subscription="sub_2", period=month(2))
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
