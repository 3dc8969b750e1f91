"""Forecasts of discounts that ran in another system: with what they took there, as far as that was told."""

from typing import Any

import pytest

from tests.support.imports import import_discount
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
