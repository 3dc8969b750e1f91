"""A fault of the servers: the messages are tried again without limit, and none of them is blamed."""

import math
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tasks.intake.decide_batch import ALONE_MAX
from tasks.wire.dead_letters import list_newest, show
from tests.end_to_end.database import holding, poisoned
from tests.intake.deliveries import LOST, POISON, REDEEM, batch, begin_alone, fates, query, run
from tests.support.requests import create_voucher, redemption
from tests.support.tasks import task_named
from worker.intake.delivery import Fate
from worker.retry_limits import RETRIES_MAX

FATES = {
    "admin_shutdown": Fate.AWAIT_CONNECTION,
    "too_many_connections": Fate.AWAIT_SERVERS,
    "disk_full": Fate.AWAIT_SERVERS,
    "read_only_sql_transaction": Fate.AWAIT_SERVERS,
}
LOCKED = "SELECT 1 FROM vouchers FOR UPDATE"


@pytest.mark.slow
@pytest.mark.usefixtures("impatience")
def test_a_fault_of_the_servers_is_nobodys_doing(database: dict[str, str]):
    """If a lock cannot be had, the whole batch is tried again, and no attempt alone is counted, of any project."""
    delivered = batch(6, redelivered=True)
    for project in ("gigs", "of the same ids"):
        begin_alone(delivered[:2], times=ALONE_MAX - 1, project=project)
    with holding(database["DATABASE_URL"], LOCKED):
        outcomes = run(REDEEM, delivered, "")
        # In a batch of their own, the two suspects are reached while the lock is held.
        outcomes += run(REDEEM, delivered[:2], "")
    assert fates(outcomes) == [Fate.TRY_AGAIN] * 8
    assert {type(outcome.error).__name__ for outcome in outcomes} == {"OperationalError"}
    noted = query("SELECT task_id, alone FROM attempts WHERE alone > 0 ORDER BY project, task_id")
    assert noted == [("task-0", ALONE_MAX - 1), ("task-1", ALONE_MAX - 1)] * 2
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 6
    assert query("SELECT DISTINCT project FROM attempts") == [("of the same ids",)]


@pytest.mark.usefixtures("impatience")
def test_the_attempts_of_innocent_messages_are_those_that_began(database: dict[str, str]):
    """The attempt that was lost with the child, and the group's attempt that met the fault; none is alone."""
    delivered = batch(124, is_suspect=True)
    with holding(database["DATABASE_URL"], LOCKED):
        assert fates(run(REDEEM, delivered, LOST)) == [Fate.TRY_AGAIN] * 124
    noted = query("SELECT together, alone, count(*) FROM attempts GROUP BY together, alone ORDER BY 1")
    assert noted == [(1, 0, 62), (2, 0, 62)]
    retried = [each._replace(retries=1) for each in delivered]
    assert fates(run(REDEEM, retried, "")) == [Fate.SUCCEEDED] * 124
    assert query("SELECT * FROM attempts") == []


@pytest.mark.parametrize(
    "error",
    [
        "deadlock_detected",
        "serialization_failure",
        "lock_not_available",
        "query_canceled",
        "idle_in_transaction_session_timeout",
        "admin_shutdown",
        "too_many_connections",
        "disk_full",
        "read_only_sql_transaction",
    ],
)
def test_whatever_the_servers_cannot_do_now_is_tried_again(database: dict[str, str], error: str):
    """No message is given up, and all are decided when the fault is over. Some faults concern every message."""
    fate = FATES.get(error, Fate.TRY_AGAIN)
    delivered = batch(3, poison=1, retries=RETRIES_MAX)
    with poisoned(database["DATABASE_URL"], customer=POISON, error=error):
        for _ in range(ALONE_MAX + 1):
            assert fates(run(REDEEM, delivered, "")) == [fate] * 3
    assert list_newest() == []
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3


@pytest.mark.parametrize("error", ["program_limit_exceeded", "internal_error"])
def test_a_fault_that_never_passes_ends_in_a_dead_letter(database: dict[str, str], error: str):
    """After three attempts alone. The other messages of the batch are decided at once."""
    delivered = batch(3, poison=1, retries=1)
    with poisoned(database["DATABASE_URL"], customer=POISON, error=error):
        outcomes = [fates(run(REDEEM, delivered, "")) for _ in range(ALONE_MAX)]
    assert [fate for each in outcomes for fate in each[:1] + each[2:]] == [Fate.SUCCEEDED] * 2 * ALONE_MAX
    assert [each[1] for each in outcomes] == [Fate.TRY_AGAIN] * (ALONE_MAX - 1) + [Fate.FAILED]
    (letter,) = list_newest()
    assert "SQLSTATE" in letter.reason


def test_headers_that_json_has_no_form_for_are_kept_as_texts(database: dict[str, str]):
    """RabbitMQ has timestamps and decimals, and Python's JSON has NaN, which PostgreSQL refuses."""
    sent_at = datetime(2026, 11, 29, tzinfo=UTC)
    (poison,) = batch(1, poison=0, retries=1)
    assert poison.original is not None
    headers = {**poison.original.headers, "sentAt": sent_at, "rate": Decimal("0.1"), "share": math.nan}
    message = poison._replace(original=poison.original._replace(headers=headers))
    with poisoned(database["DATABASE_URL"], customer=POISON):
        for _ in range(ALONE_MAX):
            outcomes = run(REDEEM, [message], "")
    assert fates(outcomes) == [Fate.FAILED]
    kept = show(task_id=message.id).headers
    assert (kept["sentAt"], kept["rate"], kept["share"]) == (str(sent_at), "0.1", "NaN")


@pytest.mark.usefixtures("impatience")
def test_while_the_servers_are_away_a_message_is_tried_for_ever(database: dict[str, str]):
    """No request is lost because it was retried often."""
    delivered = batch(2, retries=1_000_000)
    with holding(database["DATABASE_URL"], LOCKED):
        assert fates(run(REDEEM, delivered, "")) == [Fate.TRY_AGAIN] * 2
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 2


@pytest.mark.usefixtures("impatience")
def test_what_runs_by_itself_is_kept_after_its_last_attempt(database: dict[str, str]):
    """After an outage of days, the request of a task without batches is still there as a dead letter."""
    request = {"requests": [redemption(voucher=create_voucher()["id"])]}
    with holding(database["DATABASE_URL"], LOCKED):
        result = task_named("redemptions.redeem_many").apply(
            kwargs={"request": request}, retries=RETRIES_MAX, routing_key="redemptions"
        )
    assert type(result.result).__name__ == "Undecided"
    assert [letter.task_id for letter in list_newest()] == [result.id]
