"""Why an answer does not name a discount, where a discount stands, and how it was moved."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from domain.explanation import Absence, History, Move, Place, Standing, absence_of, place_on, standing_of
from domain.recurrence import Progress
from domain.terms import Recurrence, RecurrenceType

INVOICED_AT = datetime(2027, 2, 1, tzinfo=UTC)
DAY = timedelta(days=1)
EARLIER, LATER = INVOICED_AT - DAY, INVOICED_AT + DAY
# On sub_1 before and after the invoice, and over by then: it took something long before.
OVER = History(
    granted_at=INVOICED_AT - 40 * DAY,
    subscription="sub_1",
    moves=[],
    ended_at=None,
    first_taken_at=INVOICED_AT - 30 * DAY,
)
# Row n breaks rule n and every later one.
IN_ORDER = [
    (
        Absence.REDEEMED_LATER,
        {
            "granted_at": LATER,
            "moves": [Move(source="sub_1", target="sub_2", at=EARLIER)],
            "subscription": "sub_2",
            "ended_at": EARLIER,
        },
    ),
    (
        Absence.IMPORTED_LATER,
        {
            "granted_at": LATER,
            "is_imported": True,
            "moves": [Move(source="sub_1", target="sub_2", at=EARLIER)],
            "subscription": "sub_2",
            "ended_at": EARLIER,
        },
    ),
    (
        Absence.MOVED_AWAY,
        {"moves": [Move(source="sub_1", target="sub_2", at=EARLIER)], "subscription": "sub_2", "ended_at": EARLIER},
    ),
    (
        Absence.MOVED_LATER,
        {"moves": [Move(source="sub_2", target="sub_1", at=LATER)], "subscription": "sub_1", "ended_at": EARLIER},
    ),
    (Absence.OTHER_SUBSCRIPTION, {"subscription": "sub_2", "ended_at": EARLIER}),
    (Absence.ENDED, {"ended_at": EARLIER}),
    (Absence.ALREADY_APPLIED, {}),
]


@pytest.mark.parametrize(("reason", "changes"), IN_ORDER, ids=[each for each, _ in IN_ORDER])
def test_the_first_reason_that_applies_is_given(reason, changes):
    """Each history is second on the invoice too, and over."""
    history = replace(OVER, **changes)
    assert absence_of(history, subscription="sub_1", at=INVOICED_AT, comes_second=True) is reason


def test_every_reason_has_a_row():
    """What remains is that the discount is over."""
    assert [each for each, _ in IN_ORDER] + [Absence.COMPLETED] == list(Absence)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, Absence.COMPLETED),
        # What happened after the invoice is no reason.
        ({"ended_at": LATER}, Absence.COMPLETED),
        ({"moves": [Move(source="sub_1", target="sub_2", at=LATER)], "subscription": "sub_2"}, Absence.COMPLETED),
        # One that had taken nothing cannot be over.
        ({"first_taken_at": None}, Absence.REDEEMED_LATER),
        ({"first_taken_at": LATER}, Absence.REDEEMED_LATER),
        # It came while the invoice was decided, by a move.
        (
            {"moves": [Move(source="sub_2", target="sub_1", at=EARLIER)], "first_taken_at": None},
            Absence.MOVED_LATER,
        ),
        # There and back again.
        (
            {
                "moves": [
                    Move(source="sub_1", target="sub_2", at=EARLIER),
                    Move(source="sub_2", target="sub_1", at=LATER),
                ]
            },
            Absence.MOVED_AWAY,
        ),
        (
            {
                "moves": [
                    Move(source="sub_2", target="sub_1", at=EARLIER - DAY),
                    Move(source="sub_1", target="sub_2", at=EARLIER),
                    Move(source="sub_2", target="sub_1", at=EARLIER),
                ]
            },
            Absence.COMPLETED,
        ),
    ],
)
def test_only_the_history_until_the_invoice_counts(changes, reason):
    """A move at the instant of the invoice was before it."""
    history = replace(OVER, **changes)
    assert absence_of(history, subscription="sub_1", at=INVOICED_AT, comes_second=False) is reason


TODAY = date(2027, 3, 1)
MONTHS = Recurrence(type=RecurrenceType.REPEATING, duration_in_months=1)
BEGUN = Progress(
    first_start=date(2027, 2, 1),
    last_start=date(2027, 2, 1),
    cycles=1,
    ends_on=date(2027, 3, 2),
    last_end=date(2027, 3, 1),
)
RUNS = {"progress": BEGUN, "is_ended": False, "is_marked_running": True, "is_used_up": False, "today": TODAY}


@pytest.mark.parametrize(
    ("changes", "standing"),
    [
        ({}, Standing.RUNNING),
        ({"progress": Progress()}, Standing.NOT_YET_BEGUN),
        ({"is_marked_running": False}, Standing.NO_ROOM),
        # Whether or not a sweep has run.
        ({"today": date(2027, 3, 2)}, Standing.COMPLETED),
        ({"is_used_up": True, "is_marked_running": False}, Standing.COMPLETED),
        ({"is_ended": True, "is_marked_running": False, "is_used_up": True}, Standing.ENDED),
    ],
)
def test_a_discount_stands_where_its_progress_says(changes, standing):
    """An end by request comes first, then what is used, then the lack of room."""
    assert standing_of(MONTHS, **{**RUNS, **changes}) is standing


def test_a_moved_discount_is_seen_from_both_subscriptions():
    """From a third one, and on its only subscription, it was not moved."""
    moved = replace(OVER, subscription="sub_2", moves=[Move(source="sub_1", target="sub_2", at=EARLIER)])
    assert place_on(moved, subscription="sub_1") is Place.MOVED_AWAY
    assert place_on(moved, subscription="sub_2") is Place.MOVED_HERE
    assert place_on(moved, subscription="sub_3") is None
    assert place_on(OVER, subscription="sub_1") is None


def test_each_subscription_of_a_discount_has_the_move_that_it_saw_last():
    """It went away from the first one, to and fro between the others, and stays on the last."""
    ways = [("sub_1", "sub_2"), ("sub_2", "sub_3"), ("sub_3", "sub_2"), ("sub_2", "sub_3")]
    moves = [Move(source=source, target=target, at=EARLIER + n * DAY) for n, (source, target) in enumerate(ways)]
    moved = replace(OVER, subscription="sub_3", moves=moves)
    seen = [moved.last_move_of(subscription) for subscription in ("sub_1", "sub_2", "sub_3", "sub_4")]
    assert seen == [moves[0], moves[3], moves[3], None]
