"""Forecasts of discounts that ran in another system: with what they took there, as far as that was told."""

from typing import Any

import pytest

from tests.support.imports import import_discount
from tests.support.ramps import phase, ramp
from tests.support.requests import create_voucher
from tests.vouchers.forecasts import bill, costs, look, month

pytestmark = pytest.mark.usefixtures("database")

TWO_MONTHS: dict[str, Any] = {"firstCycleStart": "2031-01-01", "cycles": 2, "lastCycle": month(2)}
BALANCE: dict[str, Any] = {"priceDiscount": {"amount": 2_200, "currency": "USD"}, "carryOver": True}


def imported(terms: dict[str, Any], **fields: Any) -> None:
    """Import a discount that had January and February of 2031 elsewhere."""
    import_discount(create_voucher(**terms)["id"], **TWO_MONTHS, **fields)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({}, [500, 500, 500, 500]),
        ({"recurrence": {"type": "repeating", "durationInMonths": 4}}, [500, 500, 0, 0]),
        ({"recurrence": {"type": "repeating", "durationInCycles": 3}}, [500, 0, 0, 0]),
        (BALANCE, [500, 500, 200, 0]),
        ({"maximumDiscountInAll": {"amount": 2_200, "currency": "USD"}}, [500, 500, 200, 0]),
        ({"budget": {"amount": 1_700, "currency": "USD"}}, [500, 200, 0, 0]),
    ],
)
def test_a_discount_goes_on_with_the_average_of_elsewhere(terms, expected):
    """5.00 were taken in January and in February."""
    imported(terms, taken={"USD": 1_000})
    assert costs(look()) == expected


def test_the_cycles_of_both_systems_are_one_average():
    """5.00, 5.00 and 8.00 are 6.00 a month."""
    imported({}, taken={"USD": 1_000})
    bill(8_000, first=3)
    assert costs(look()) == [0, 600, 600, 600]


def test_what_nobody_has_told_is_no_amount_of_zero():
    """Without the amounts of elsewhere, only the cycles here count."""
    imported({})
    assert costs(look()) == [0, 0, 0, 0]
    bill(8_000, 4_000, first=3)
    assert costs(look()) == [0, 0, 600, 600]


def test_a_discount_that_has_not_begun_takes_the_average_of_the_cycles_here():
    """The voucher's average is of what was discounted here: 8.00 a month."""
    voucher = create_voucher()["id"]
    import_discount(voucher, **TWO_MONTHS)
    bill(8_000, 8_000, first=3)
    import_discount(voucher, ref="di_2", subscription="sub_2", startsOn="2031-01-01")
    assert costs(look()) == [800, 800, 1_600, 1_600]


@pytest.mark.parametrize("terms", [{}, ramp(phase(10, cycles=9)), ramp(phase(10, months=9))])
@pytest.mark.parametrize("fields", [{}, {"taken": {"USD": 1_600}}])
def test_another_invoice_of_a_cycle_of_elsewhere_is_no_cycle_more(terms, fields):
    """A seat in February, which the discount had elsewhere, is 8.00, and so is March: 8.00 a month, or half as much.

    With 16.00 of elsewhere, 32.00 were taken in three months.
    """
    imported(terms, **fields)
    bill(8_000, 8_000, first=2)
    assert costs(look()) == [0, *[1_067 if fields else 800] * 3]


@pytest.mark.parametrize("terms", [{}, ramp(phase(10, cycles=9))])
def test_nor_is_it_in_the_average_of_the_voucher(terms):
    """A second discount begins in April."""
    voucher = create_voucher(**terms)["id"]
    import_discount(voucher, **TWO_MONTHS)
    bill(8_000, 8_000, first=2)
    import_discount(voucher, ref="di_2", subscription="sub_2", startsOn="2031-04-01")
    assert costs(look()) == [0, 1_600, 1_600, 1_600]


@pytest.mark.parametrize("unit", ["months", "cycles"])
@pytest.mark.parametrize(
    ("phases", "taken", "expected"),
    [
        ([(50, 2), (25, 2)], 8_000, [2_000, 2_000, 0, 0]),
        ([(50, 1), (25, 2), (10, 1)], 6_000, [2_000, 800, 0, 0]),
        ([(50, 4)], 8_000, [4_000, 4_000, 0, 0]),
    ],
)
def test_a_ramp_goes_on_with_the_base_of_elsewhere(unit, phases, taken, expected):
    """80.00 were billed in January and in February, each in the phase that it was in."""
    imported(ramp(*(phase(percentage, **{unit: length}) for percentage, length in phases)), taken={"USD": taken})
    assert costs(look()) == expected


@pytest.mark.parametrize("unit", ["months", "cycles"])
def test_what_amounts_took_elsewhere_tells_no_base(unit):
    """5.00 were an amount, and 40.00 were half of 80.00."""
    imported(ramp(phase(amount=500, **{unit: 1}), phase(50, **{unit: 3})), taken={"USD": 4_500})
    assert costs(look()) == [4_000, 4_000, 0, 0]


@pytest.mark.parametrize("unit", ["months", "cycles"])
@pytest.mark.parametrize("taken", [{}, {"USD": 600}])
def test_amounts_of_phases_need_no_history(unit, taken):
    """They are taken whole."""
    imported(ramp(phase(amount=300, **{unit: 3}), phase(amount=700, **{unit: 1})), taken=taken)
    assert costs(look()) == [300, 700, 0, 0]


def test_nobody_knows_in_which_of_two_currencies_they_are():
    """So they cost nothing here until the first invoice."""
    both = {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 400}}
    imported(ramp(phase(amount=both, cycles=9)))
    assert look()["totals"] == {}
    bill(8_000, first=3, currency="EUR")
    assert costs(look(), currency="EUR") == [0, 400, 400, 400]


def test_amounts_in_two_currencies_are_of_the_same_cycles():
    """Each currency has half of the base."""
    imported(ramp(phase(10, cycles=9)), taken={"USD": 800, "EUR": 400})
    answer = look()
    assert (costs(answer)[0], costs(answer, currency="EUR")[0]) == (400, 200)


@pytest.mark.parametrize(
    ("fields", "billed", "basis"),
    [
        ({}, [], {"byOwnAverage": 0, "withoutHistory": 1, "cyclesInLedger": 0}),
        ({}, [2], {"byOwnAverage": 1, "withoutHistory": 0, "cyclesInLedger": 1}),
        ({}, [3], {"byOwnAverage": 1, "withoutHistory": 0, "cyclesInLedger": 1}),
        ({"taken": {"USD": 1_000}}, [], {"byOwnAverage": 1, "withoutHistory": 0, "cyclesInLedger": 2}),
        ({"taken": {"USD": 1_000}}, [2, 3], {"byOwnAverage": 1, "withoutHistory": 0, "cyclesInLedger": 3}),
    ],
)
def test_the_basis_counts_the_cycles_whose_amounts_are_known(fields, billed, basis):
    """Those of elsewhere only if their amounts were told."""
    imported({}, **fields)
    for number in billed:
        bill(8_000, first=number)
    assert look()["basis"] == {"discounts": 1, "byVoucherAverage": 0, **basis}
