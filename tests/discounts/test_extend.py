"""`discounts.extend`: more months or cycles, and a discount that was over runs again if there is room."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.discounts.calls import grant
from tests.support.changes import ACTOR, extend, kinds, move, shown
from tests.support.endings import end
from tests.support.holds import reserve
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, MAY, ONCE, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"
MONTHS, CYCLES = ({"recurrence": {"type": "repeating", name: 2}} for name in ("durationInMonths", "durationInCycles"))
BALANCE = {"priceDiscount": {"amount": 10_000, "currency": "USD"}, "carryOver": True}
# Months that are over.
PAST = [{"start": f"2024-0{month}-01", "end": f"2024-0{month + 1}-01"} for month in (2, 3, 4)]
# More months than have passed since.
MANY = 500


def granted(**fields: Any) -> str:
    """Redeem a new voucher for cus_1 on sub_1, and return the discount."""
    return granted_by(create_voucher(**fields)["id"])


def granted_by(voucher: str) -> str:
    """Redeem a voucher for cus_1 on sub_1, and return the discount."""
    return str(grant(voucher, customer="cus_1", startsOn="2024-01-01")["discount"])


def amounts(*periods: dict[str, str], **fields: Any) -> list[int]:
    """Return the discount of an invoice for each period."""
    return [apply(period=each, **fields)["discountTotal"] for each in periods]


def test_months_move_the_end_of_the_window():
    """The answer is the discount with its history."""
    discount = granted(**MONTHS)
    apply(period=FEBRUARY)
    before = shown(discount)
    answer = extend(discount, months=1, note="Sorry for the outage")
    at = answer["history"][0]["at"]
    change = {
        "kind": "extended",
        "actor": ACTOR,
        "note": "Sorry for the outage",
        "from": {"durationInMonths": 2},
        "to": {"durationInMonths": 3},
        "at": at,
    }
    recurrence = {"type": "repeating", "durationInMonths": 3, "durationInCycles": None, "phases": None}
    history = [change, *before["history"]]
    expected = {**before, "recurrence": recurrence, "fullPriceFrom": "2027-05-01", "updatedAt": at, "history": history}
    assert answer == expected == shown(discount)
    assert amounts(MARCH, APRIL, MAY) == [800, 800, 0]


def test_cycles_are_added_to_those_that_are_left():
    """The end of the window is unknown again until the last cycle has come."""
    discount = granted(**CYCLES)
    amounts(FEBRUARY, MARCH)
    assert shown(discount)["fullPriceFrom"] == "2027-04-01"
    answer = extend(discount, cycles=1)
    assert (answer["fullPriceFrom"], answer["cycles"]) == (None, 2)
    assert answer["history"][0]["to"] == {"durationInCycles": 3}
    assert amounts(APRIL, MAY) == [800, 0]
    assert shown(discount)["fullPriceFrom"] == "2027-05-01"


@pytest.mark.parametrize(("fields", "more"), [(MONTHS, {"months": 1}), (CYCLES, {"cycles": 1})])
def test_a_discount_without_an_invoice_is_extended_too(fields, more):
    """The window begins with the first invoice, as always."""
    discount = granted(**fields)
    assert extend(discount, **more)["fullPriceFrom"] is None
    assert amounts(FEBRUARY, MARCH, APRIL, MAY) == [800, 800, 800, 0]


def test_an_extended_discount_keeps_its_duration_after_a_reversal_and_a_move():
    """The progress is computed with the longer duration."""
    discount = granted(**CYCLES)
    apply(invoice="inv_1", period=FEBRUARY)
    extend(discount, cycles=1)
    move(discount)
    reverse("inv_1")
    assert amounts(FEBRUARY, MARCH, APRIL, MAY, subscription="sub_2") == [800, 800, 800, 0]


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize(("fields", "more"), [(MONTHS, {"months": MANY}), (CYCLES, {"cycles": 1})])
def test_a_completed_discount_runs_again(fields, more, is_swept):
    """Its window was over, swept or not. It counts on its subscription again."""
    voucher = create_voucher(**fields)["id"]
    discount = granted_by(voucher)
    amounts(*PAST[:2])
    if is_swept:
        task_named("expiry.sweep")(request={})
    answer = extend(discount, **more)
    assert (answer["status"], answer["completedAt"]) == ("running", None)
    assert redeem(voucher=voucher, subscription="sub_1")["reason"] == "already_applied"
    assert amounts(FEBRUARY) == [800]


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_window_that_is_still_over_stays_completed(is_swept):
    """Since the sweep, or else since the extension. A late invoice of the added month is discounted all the same."""
    discount = granted(**MONTHS)
    amounts(PAST[0])
    if is_swept:
        task_named("expiry.sweep")(request={})
    before = shown(discount)["completedAt"]
    answer = extend(discount, months=1)
    assert (answer["status"], answer["fullPriceFrom"]) == ("completed", "2024-05-01")
    assert answer["completedAt"] == (before or answer["updatedAt"])
    assert amounts(*PAST[1:], FEBRUARY) == [800, 800, 0]


@pytest.mark.parametrize("obstacle", ["discount", "hold", "exclusive hold", "20 others"])
def test_a_completed_discount_without_room_stays_completed_and_is_still_applied(obstacle):
    """As after a voided invoice: it counts against no limit, and later invoices are discounted by it."""
    voucher = create_voucher(**MONTHS)["id"]
    discount = granted_by(voucher)
    amounts(*PAST[:2])
    if obstacle == "discount":
        redeem(voucher=voucher, subscription="sub_1", startsOn="2030-01-01")
    elif obstacle == "hold":
        reserve(voucher=voucher, subscription="sub_1")
    elif obstacle == "exclusive hold":
        reserve(voucher=create_voucher(exclusive=True)["id"], subscription="sub_1")
    else:
        for _ in range(20):
            redeem(voucher=create_voucher()["id"], subscription="sub_1", startsOn="2030-01-01")
    assert extend(discount, months=MANY)["status"] == "completed"
    assert amounts(FEBRUARY) == [800]


def test_a_balance_has_more_time_and_not_more_money():
    """Nothing is left of the balance after the second invoice, so a further extension is refused."""
    discount = granted(**BALANCE, **MONTHS)
    amounts(FEBRUARY)
    extend(discount, months=1)
    assert amounts(APRIL) == [2000]
    assert extend(discount, months=1)["reason"] == "discount_completed"


def test_an_ended_discount_is_not_extended():
    """The refusal is stored and changes nothing."""
    discount = granted(**MONTHS)
    end(discount)
    refused = {"object": "discount", "project": "gigs", "requestId": "r1", "outcome": "refused", "retryable": False}
    assert extend(discount, months=1, requestId="r1") == {**refused, "reason": "discount_ended"}
    assert kinds(shown(discount)) == ["ended", "granted"]


def test_the_same_request_extends_once():
    """A repetition gets the first answer. Another body under the id is a conflict."""
    discount = granted(**MONTHS)
    first = extend(discount, months=1, requestId="r1")
    extend(discount, months=1, requestId="r2")
    assert extend(discount, months=1, requestId="r1") == first
    assert extend(discount, months=2, requestId="r1")["reason"] == "idempotency_conflict"
    assert shown(discount)["recurrence"]["durationInMonths"] == 4


@pytest.mark.parametrize(
    ("fields", "more", "bad"),
    [
        (MONTHS, {"cycles": 1}, "cycles"),
        (CYCLES, {"months": 1}, "months"),
        (ONCE, {"months": 1}, "months"),
        ({}, {"cycles": 1}, "cycles"),
        (MONTHS, {"months": 998}, "months"),
        (CYCLES, {"cycles": 998}, "cycles"),
    ],
)
def test_only_the_own_unit_is_added_and_at_most_up_to_999(fields, more, bad):
    """`once` and `forever` count neither months nor cycles. The error shows no value."""
    discount = granted(**fields)
    with pytest.raises(InvalidRequest) as error:
        extend(discount, **more)
    assert [each["field"] for each in error.value.errors] == [bad]
    assert kinds(shown(discount)) == ["granted"]


def test_a_discount_lasts_at_most_999_months():
    """The maximum itself is allowed."""
    assert extend(granted(**MONTHS), months=997)["recurrence"]["durationInMonths"] == 999


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"cycles"}),
        ({"months": 1, "cycles": 1}, {"cycles"}),
        ({"months": 0, "actor": ""}, {"months", "actor"}),
        ({"cycles": 1000, "note": "x" * 501}, {"cycles", "note"}),
    ],
)
def test_every_bad_field_is_named(fields, bad):
    """Exactly one of months and cycles is given, 1 to 999."""
    with pytest.raises(InvalidRequest) as error:
        extend(UNKNOWN, **fields)
    assert {each["field"] for each in error.value.errors} == bad


def test_an_unknown_discount_is_not_found():
    """An unknown id, or the discount of another project."""
    discount = granted(**MONTHS)
    with pytest.raises(NotFound, match="discount"):
        extend(UNKNOWN, months=1)
    with pytest.raises(NotFound, match="discount"):
        extend(discount, months=1, project="other")
