"""`discounts.import` of a voucher in phases: the cycles of elsewhere count, so the ramp goes on where it was."""

from typing import Any

import pytest

from tests.discounts.test_import import amounts
from tests.support.imports import FEBRUARY, JANUARY, ONE_CYCLE, TWO_CYCLES, import_discount
from tests.support.ramps import phase, ramp
from tests.support.requests import create_voucher
from tests.support.reversals import APRIL, MARCH, MAY, reverse

pytestmark = pytest.mark.usefixtures("database")

JUNE = {"start": "2027-06-01", "end": "2027-07-01"}
# Half of 80.00 USD for two months or cycles, then a quarter for two.
IN_MONTHS = ramp(phase(50, months=2), phase(25, months=2))
IN_CYCLES = ramp(phase(50, cycles=2), phase(25, cycles=2))
# Of February, March and so on.
AFTER_ONE, AFTER_TWO = [4_000, 2_000, 2_000, 0, 0], [0, 2_000, 2_000, 0, 0]


def imported(terms: dict[str, Any], **had: Any) -> None:
    """Import a discount of a new voucher with these terms."""
    voucher: str = create_voucher(priceDiscountPercentage=None, **terms)["id"]
    assert import_discount(voucher, **had)["outcome"] == "imported"


@pytest.mark.parametrize("terms", [IN_MONTHS, IN_CYCLES], ids=["months", "cycles"])
@pytest.mark.parametrize("had", [ONE_CYCLE, TWO_CYCLES], ids=["one", "two"])
def test_the_phases_of_elsewhere_are_over_here(terms: dict[str, Any], had: dict[str, Any]):
    """After one cycle of half, another one of half follows, and after two the first of a quarter."""
    imported(terms, **had)
    periods = [FEBRUARY, MARCH, APRIL, MAY, JUNE]
    expected = AFTER_ONE if had == ONE_CYCLE else AFTER_TWO
    begin = 0 if had == ONE_CYCLE else 1
    assert amounts(*periods[begin:]) == expected[begin:]


@pytest.mark.parametrize("terms", [IN_MONTHS, IN_CYCLES], ids=["months", "cycles"])
def test_another_invoice_of_the_last_cycle_of_elsewhere_is_in_its_phase(terms: dict[str, Any]):
    """A seat that was added in January, of a discount that had January there. It takes no place of the ramp."""
    imported(terms, **ONE_CYCLE)
    assert amounts(JANUARY, FEBRUARY, MARCH) == [4_000, 4_000, 2_000]


def test_a_voided_invoice_leaves_its_place_to_the_next_cycle():
    """The places of elsewhere stay taken."""
    imported(IN_CYCLES, **ONE_CYCLE)
    assert amounts(FEBRUARY, invoice="inv_1") == [4_000]
    reverse("inv_1", "voided", requestId="void-1")
    assert amounts(MARCH, APRIL) == [4_000, 2_000]


USD, BOTH = ({"amount": 500, "currency": "USD", **more} for more in ({}, {"currencyOptions": {"EUR": 400}}))


@pytest.mark.parametrize(
    ("phases", "reason"),
    [
        ([phase(amount=USD, months=2), phase(amount=USD, months=2)], "currency_mismatch"),
        ([phase(amount=USD, months=2), phase(amount=BOTH, months=2)], None),
        ([phase(amount=USD, months=2), phase(25, months=2)], None),
        ([phase(50, months=2), phase(25, months=2)], None),
    ],
)
def test_a_ramp_has_taken_nothing_in_a_currency_that_no_phase_knows(phases: list[dict[str, Any]], reason: str | None):
    """A percentage is of any currency."""
    voucher = create_voucher(priceDiscountPercentage=None, **ramp(*phases))["id"]
    assert import_discount(voucher, **ONE_CYCLE, taken={"EUR": 100})["reason"] == reason
