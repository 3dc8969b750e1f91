"""The sweep: rows that are due change, rows that are not yet due stay, and locked rows wait for the next run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event, text

from models.sweeps.expiry import complete_discounts, retire_expired_vouchers
from tasks.sweeps.expiry import sweep_all
from tests.support.administrator import as_administrator
from tests.support.instants import in_minutes
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import engine, transaction

pytestmark = pytest.mark.usefixtures("database")

NOTHING = {
    "object": "sweep",
    "expired": 0,
    "maxRedemptionsReached": 0,
    "completed": 0,
    "codesExpired": 0,
    "codesMaxRedemptionsReached": 0,
    "holdsLapsed": 0,
}
LONG_AGO = "2026-01-01T00:00:00Z"


def status_of(voucher: dict) -> tuple[str, str | None]:
    """Return the status and the retired reason of a voucher."""
    after = task_named("vouchers.retrieve")(request={"project": voucher["project"], "voucher": voucher["id"]})
    return after["status"], after["retiredReason"]


def test_it_does_nothing_on_an_empty_database():
    """Every count in the answer is zero."""
    assert task_named("expiry.sweep")(request={}) == NOTHING


def test_it_leaves_what_is_not_yet_due():
    """The vouchers are open-ended, not yet expired or not yet full, and the window of the discount has not ended."""
    kept = [
        create_voucher(),
        create_voucher(restrictions={"expiresAt": in_minutes(1)}),
        create_voucher(restrictions={"maximumRedemptions": 2}),
    ]
    redeem(voucher=kept[2]["id"])
    window = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    redeem(voucher=window["id"], subscription="sub_1")
    today = datetime.now(UTC).date()
    apply(period={"start": today.isoformat(), "end": (today + timedelta(days=31)).isoformat()})
    assert task_named("expiry.sweep")(request={}) == NOTHING
    assert [status_of(each) for each in kept] == [("available", None)] * 3


def test_it_retires_what_has_expired_with_the_instant_of_its_end():
    """The sweep covers every project, and a second run finds nothing."""
    due = [create_voucher(restrictions={"expiresAt": LONG_AGO}, project=project) for project in ("gigs", "other")]
    assert task_named("expiry.sweep")(request={}) == {**NOTHING, "expired": 2}
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": due[0]["id"]})
    assert (after["status"], after["retiredReason"], after["retiredAt"]) == ("retired", "expired", LONG_AGO)
    assert task_named("expiry.sweep")(request={}) == NOTHING


def test_what_is_due_at_this_very_instant_is_due():
    """Windows exclude their end: a microsecond or a day earlier, nothing is due."""
    create_voucher(restrictions={"expiresAt": LONG_AGO})
    ends_at = datetime.fromisoformat(LONG_AGO)
    window = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    redeem(voucher=window["id"], subscription="sub_1", startsOn="2026-01-01")
    apply(period={"start": "2026-01-01", "end": "2026-02-01"})
    with transaction() as session:
        instants = (ends_at - timedelta(microseconds=1), ends_at)
        assert [retire_expired_vouchers(session, now=each, batch_size=5) for each in instants] == [0, 1]
        days = (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
        assert [complete_discounts(session, now=each, batch_size=5) for each in days] == [0, 1]


def test_it_retires_what_is_full():
    """An import can leave such a voucher. A redemption that fills a voucher retires the voucher at once."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    filled_at = redeem(voucher=voucher["id"])["decidedAt"]
    assert task_named("expiry.sweep")(request={}) == NOTHING
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET retired_reason = NULL, retired_at = NULL"))
    assert task_named("expiry.sweep")(request={}) == {**NOTHING, "maxRedemptionsReached": 1}
    assert task_named("expiry.sweep")(request={}) == NOTHING
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (after["status"], after["retiredReason"]) == ("retired", "maxRedemptionsReached")
    assert datetime.fromisoformat(after["retiredAt"]) > datetime.fromisoformat(filled_at)


def test_the_first_reason_stays():
    """A voucher that was retired by hand and then expires keeps the manual reason."""
    voucher = create_voucher(restrictions={"expiresAt": in_minutes(60)})
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET expires_at = now() - interval '1 hour'"))
    assert task_named("expiry.sweep")(request={}) == NOTHING
    assert status_of(voucher) == ("retired", "manualAction")


def test_it_completes_discounts_whose_window_is_over():
    """Discounts that never took effect stay, and so do those that run for ever."""
    for recurrence in ({"type": "repeating", "durationInMonths": 1}, {"type": "forever"}):
        voucher = create_voucher(recurrence=recurrence)
        redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01")
    redeem(voucher=create_voucher(recurrence={"type": "once"})["id"], subscription="sub_2")
    apply(period={"start": "2026-01-01", "end": "2026-02-01"})
    assert task_named("expiry.sweep")(request={}) == {**NOTHING, "completed": 1}
    assert task_named("expiry.sweep")(request={}) == NOTHING


def test_a_voucher_that_a_redemption_is_holding_is_left_for_the_next_run():
    """The sweep neither waits for the lock nor fails, and retires the other voucher."""
    held, free = (create_voucher(restrictions={"expiresAt": LONG_AGO}) for _ in range(2))
    with transaction() as session:
        session.execute(text("SELECT 1 FROM vouchers WHERE name = 'Ten percent' ORDER BY id LIMIT 1 FOR NO KEY UPDATE"))
        assert task_named("expiry.sweep")(request={})["expired"] == 1
    assert [status_of(held)[0], status_of(free)[0]] == ["available", "retired"]
    assert task_named("expiry.sweep")(request={})["expired"] == 1


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_it_works_through_everything_in_bounded_batches(batch_size):
    """The end state and the counts are the same for every size of a batch."""
    for _ in range(6):
        create_voucher(restrictions={"expiresAt": LONG_AGO})
    assert sweep_all(batch_size=batch_size)["expired"] == 6


def transactions_of(call: Callable[[], object]) -> int:
    """Return how many transactions the call commits."""
    committed: list[object] = []
    note = committed.append
    event.listen(engine(), "commit", note)
    try:
        call()
    finally:
        event.remove(engine(), "commit", note)
    return len(committed)


def test_each_batch_is_a_transaction_of_its_own():
    """An interrupted run keeps the batches that are done, and no lock is held for long."""
    for _ in range(6):
        create_voucher(restrictions={"expiresAt": LONG_AGO})
    with_six, with_none = (transactions_of(lambda: sweep_all(batch_size=2)) for _ in range(2))
    assert with_six - with_none == 3


def test_what_a_run_had_to_leave_is_done_by_the_next_one():
    """Two of four vouchers are locked during the first run, with a single voucher in each batch."""
    for _ in range(4):
        create_voucher(restrictions={"expiresAt": LONG_AGO})
    with transaction() as other:
        other.execute(
            text("""
                SELECT 1 FROM vouchers WHERE id IN (SELECT id FROM vouchers ORDER BY id OFFSET 1 LIMIT 2)
                FOR NO KEY UPDATE
            """)
        )
        assert sweep_all(batch_size=1)["expired"] == 2
    assert sweep_all(batch_size=1)["expired"] == 2
