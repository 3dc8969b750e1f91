"""Each check of ramps is made to fail."""

from itertools import pairwise

import pytest

from tasks.audit.ramps import RAMP_CHECKS
from tests.audit.ledgers import all_of, broken_by
from tests.support.database_between_tests import violations
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, MAY, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("tampered_database")

TERMS, NAMED, STAYS, ROOM, PLACE = RAMP_CHECKS
ALLOWANCE = "a fixed discount gave no more than its amount in a cycle"
# For each check, changes that each break only that promise.
TAMPERING = {
    TERMS: [
        "UPDATE discounts SET phases = jsonb_set(phases, '{0, percentage_millionths}', '1')",
        "UPDATE vouchers SET phases = jsonb_set(phases, '{2, duration}', '2')",
        """
            UPDATE vouchers SET phases = jsonb_set(phases, '{2, duration}', '5');
            UPDATE discounts SET phases = jsonb_set(phases, '{2, duration}', '5')
        """,
    ],
    ALLOWANCE: [
        """
            UPDATE vouchers SET phases = jsonb_set(phases, '{1, amounts_minor, USD}', '999');
            UPDATE discounts SET phases = jsonb_set(phases, '{1, amounts_minor, USD}', '999')
        """
    ],
    NAMED: ["UPDATE usage_entries SET phase = NULL WHERE invoice = 'inv_may'"],
}


def begin(unit: str) -> None:
    """Discount four cycles by a ramp of one, two and four, the second of which is an amount."""
    phases = (phase(50, **{unit: 1}), phase(amount=1_000, **{unit: 2}), phase(10, **{unit: 4}))
    voucher = create_voucher(**ramp(*phases))
    redeem(voucher=voucher["id"], subscription="sub_1", customer="cus_1", startsOn="2027-01-01", currency="USD")
    half = [{"id": "base", "amount": 500}]
    apply(invoice="inv_february", period=FEBRUARY)
    apply(invoice="inv_march", period=MARCH, lines=half)
    apply(invoice="inv_march_too", period=MARCH, lines=half)
    apply(invoice="inv_april", period=APRIL)
    apply(invoice="inv_may", period=MAY)
    assert violations() == []


def test_every_check_is_made_to_fail():
    """No check is left out here."""
    assert {*TAMPERING, STAYS, ROOM, PLACE} == {*RAMP_CHECKS, ALLOWANCE}


@pytest.mark.parametrize("unit", ["months", "cycles"])
@pytest.mark.parametrize(("check", "change"), all_of(TAMPERING))
def test_a_broken_promise_is_found_with_its_row(unit, check, change):
    """No other check finds a violation."""
    begin(unit)
    assert broken_by(change) == {check}


@pytest.mark.parametrize(
    ("unit", "change"),
    [
        ("cycles", "UPDATE usage_entries SET phase = 3 WHERE invoice LIKE 'inv_april%'"),
        ("months", "UPDATE usage_entries SET phase = 3 WHERE invoice LIKE 'inv_april%'"),
        ("months", "UPDATE usage_entries SET phase = 1 WHERE invoice = 'inv_may'"),
    ],
)
def test_a_cycle_in_the_phase_of_another_place_is_found(unit, change):
    """Too early or too late. No other check finds a violation."""
    begin(unit)
    assert broken_by(change) == {PLACE}


def test_a_phase_that_is_unknown_is_found():
    """The third one is the last."""
    begin("cycles")
    assert NAMED in broken_by("UPDATE usage_entries SET phase = 4 WHERE invoice = 'inv_may'")


def test_a_cycle_in_two_phases_is_found():
    """Its first invoice was in the second phase."""
    begin("months")
    assert broken_by("UPDATE usage_entries SET phase = 3 WHERE invoice = 'inv_march_too'") == {STAYS}


def test_a_phase_with_too_many_cycles_is_found_after_a_void_too():
    """Then there is no other check of the places."""
    begin("cycles")
    reverse("inv_may")
    assert violations() == []
    change = "UPDATE usage_entries SET phase = 1 WHERE invoice LIKE 'inv_april%'"
    assert broken_by(change) == {ROOM}


def test_a_ramp_that_was_extended_voided_and_billed_again_is_no_violation():
    """The last phase is longer, and the free place was taken by a later cycle."""
    begin("cycles")
    (discount,) = task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"]
    extended = {"project": "gigs", "discount": discount["id"], "cycles": 2}
    assert task_named("discounts.extend")(request=extended)["recurrence"]["phases"][-1]["durationInCycles"] == 6
    reverse("inv_february")
    months = [f"2027-{number:02}-01" for number in range(6, 13)]
    for start, end in pairwise(months):
        apply(period={"start": start, "end": end})
    assert violations() == []
