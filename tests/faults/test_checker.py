"""The history checker finds every planted fault, and nothing in a history without one."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults.checker import find_broken_promises
from tests.faults.history import Asking, History
from tests.faults.invented import LIMITED, Invented
from tests.faults.invented_answers import UNLIMITED
from tests.faults.planting import FAILED, change, forget, redeem


def lower_the_maximum(invented: Invented) -> None:
    """Set the maximum below the places that are taken."""
    created = invented.askings[LIMITED].answer
    restrictions = {**created["restrictions"], "maximumRedemptions": 2}
    invented.ask("update", "vouchers.update", {"requestId": "u1"}, {**created, "restrictions": restrictions})


def fail_to_lower_the_maximum(invented: Invented) -> None:
    """Refuse to set the maximum to the places that are taken."""
    request = {"requestId": "u1", "voucher": LIMITED, "restrictions": {"maximumRedemptions": 3}}
    invented.ask("update", "vouchers.update", request, {})
    invented.change("update", state="FAILURE", answer="InvalidRequest")


def redeem_after_retirement(invented: Invented) -> None:
    """Retire a voucher, and then redeem it."""
    retired = {"id": UNLIMITED, "retiredReason": "manualAction", "retiredAt": "2026-01-01T00:00:00Z"}
    invented.ask("retired", "vouchers.retire", {"voucher": UNLIMITED}, retired)
    invented.redeem("late", voucher=UNLIMITED, number=3)


def swap_numbers(invented: Invented) -> None:
    """Give the later request the earlier number."""
    for name, number in (("r1", 2), ("r1 repeated", 2), ("r2", 1)):
        invented.change(name, answer={"redemptionNumber": number})


def test_a_history_without_a_fault_has_no_findings():
    """Redemptions, a refusal, holds, invoices, a reversal and repeated requests."""
    assert find_broken_promises(History(Invented().askings.values())) == []


@pytest.mark.parametrize(
    ("fault", "finding", "plant"),
    [
        ("an asking without an outcome", "no answer", change("r2", state=None, answered_at=None)),
        ("another answer at the second asking", "two answers", change("r1 repeated", answer={"id": "red_other"})),
        (
            "a refusal that is decided again",
            "two answers",
            change("full repeated", answer={"decidedAt": "2027-01-01T00:00:00Z"}),
        ),
        (
            "a final answer that becomes retryable",
            "answer taken back",
            change("r1 repeated", answer={"outcome": "refused", "reason": "fully_reserved"}),
        ),
        ("a failure", "failure", change("applied3", **FAILED)),
        ("a maximum refused, though it is enough", "failure", fail_to_lower_the_maximum),
        ("an item told to be invalid", "failure", change("r3", answer={"outcome": "invalid", "errors": []})),
        ("a failure of what was told before", "failure of what is committed", change("r1 repeated", **FAILED)),
        ("a failure before the answer", "failure of what was answered later", change("r1", **FAILED)),
        (
            "a conflict with the same body",
            "conflict with itself",
            change("full repeated", answer={"reason": "idempotency_conflict"}),
        ),
        ("a number skipped", "number missing", change("r3", answer={"redemptionNumber": 5})),
        ("a number twice", "number given twice", change("r3", answer={"redemptionNumber": 2})),
        ("numbers exchanged", "number against real time", swap_numbers),
        ("a number above the maximum", "over-redeemed", redeem("r4", voucher=LIMITED, number=4)),
        ("a maximum below the numbers", "maximum below the taken places", lower_the_maximum),
        ("full without a maximum", "full too early", redeem("r4", voucher=UNLIMITED, reason="max_redemptions_reached")),
        ("full with a place left", "full too early", forget("r3")),
        (
            "retired, though nobody retired it",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="voucher_retired"),
        ),
        (
            "unknown, though it was created",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="voucher_not_found"),
        ),
        (
            "applied, though nobody redeemed",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="already_applied"),
        ),
        (
            "a customer's limit that nobody set",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="customer_limit_reached"),
        ),
        (
            "reserved, though places are left",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="fully_reserved"),
        ),
        (
            "a reason that cannot apply",
            "eligible, but refused",
            redeem("r4", voucher=UNLIMITED, reason="discount_limit_reached"),
        ),
        (
            "a confirmation after the release",
            "confirmed after release",
            redeem("late", voucher=UNLIMITED, number=3, id="let_go", task="redemptions.confirm"),
        ),
        (
            "a confirmation that is refused",
            "held place refused",
            change("confirmed", answer={"outcome": "refused", "reason": "voucher_retired"}),
        ),
        (
            "a hold neither released nor redeemed",
            "released, and yet redeemed or the reverse",
            change("released", answer={"status": "confirmed"}),
        ),
    ],
)
def test_a_planted_fault_is_found(fault: str, finding: str, plant: Callable[[Invented], None]):
    """Each fault alone, and under its own name."""
    invented = Invented()
    plant(invented)
    found = find_broken_promises(History(invented.askings.values()))
    assert finding in {each.check for each in found}, fault


def test_items_of_a_bulk_task_are_checked_as_requests_of_their_own():
    """The second item has the number of the first."""
    invented = Invented()
    single = [invented.askings[name] for name in ("r1", "r2")]
    bulk = Asking(
        task="redemptions.redeem_many",
        request={"requests": [each.request for each in single]},
        sent_at=100,
        answered_at=101,
        state="SUCCESS",
        answer={"items": [single[0].answer, {**single[1].answer, "redemptionNumber": 1}]},
    )
    found = find_broken_promises(History([invented.askings[LIMITED], bulk]))
    assert {each.check for each in found} == {"number given twice"}


def test_a_poison_request_may_fail():
    """The database refuses it, and the caller is told so."""
    poison = replace(Invented().askings["full"], is_poison=True, **FAILED)
    assert find_broken_promises(History([poison])) == []


def test_a_maximum_below_the_taken_places_may_be_refused():
    """As invalid, which is the true answer."""
    invented = Invented()
    fail_to_lower_the_maximum(invented)
    update = invented.askings["update"]
    invented.change("update", request={**update.request, "restrictions": {"maximumRedemptions": 2}})
    assert find_broken_promises(History(invented.askings.values())) == []


def test_a_hold_may_be_refused_if_its_customer_has_taken_the_place_with_another_request():
    """The hold was replaced."""
    invented = Invented()
    invented.change("confirmed", answer={"outcome": "refused", "reason": "max_redemptions_reached"})
    invented.change("held", answer={"voucher": LIMITED})
    invented.change("r1", answer={"customer": "cus_held"})
    found = find_broken_promises(History(invented.askings.values()))
    assert "held place refused" not in {each.check for each in found}


def test_concurrent_requests_may_be_numbered_in_any_order():
    """The earlier request was not answered yet when the later was sent."""
    invented = Invented()
    swap_numbers(invented)
    invented.change("r2", sent_at=invented.askings["r1"].sent_at)
    assert find_broken_promises(History(invented.askings.values())) == []


def test_a_refusal_may_come_before_the_answer_of_the_redemption_that_filled_the_voucher():
    """All that counts is that the last place may have been taken."""
    invented = Invented()
    invented.change("full", sent_at=0)
    assert find_broken_promises(History(invented.askings.values())) == []
