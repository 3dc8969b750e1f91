"""A batch that does not go through as a whole: who is decided, who is tried again, and who is given up."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from tasks.intake.decide_batch import ALONE_MAX
from tasks.wire.dead_letters import discard, list_newest, show
from tests.end_to_end.running import holding, poisoned
from tests.support.environment import changed_environment
from tests.support.requests import create_voucher, invoice, redemption
from tests.support.tasks import task_named
from worker.database import transaction
from worker.intake.delivery import Delivery, Fate, Original, Outcome
from worker.retries import RETRIES_MAX
from worker.settings import forget_settings

REDEEM = "redemptions.redeem"
LOST = "WorkerLostError: its process ended"
POISON = "cus_poison"


def run(name: str, deliveries: list[Delivery], child_death: str) -> list[Outcome]:
    """Decide a batch as a child does, by the registered task."""
    outcomes: list[Outcome] = task_named(name).decide_batch(deliveries, child_death)
    return outcomes


def delivery(request: Any, *, number: int, again: bool = False, retries: int = 0) -> Delivery:
    """This function will return a message with that request, delivered again or for the first time."""
    original = Original(
        queue="redemptions",
        headers={"id": f"task-{number}", "task": REDEEM, "retries": retries},
        body=json.dumps([[], {"request": request}, {}]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    return Delivery(
        id=f"task-{number}",
        args=[],
        kwargs={"request": request},
        retries=retries,
        redelivered=again,
        wants_answer=False,
        group=None,
        parent=None,
        original=original if again or retries else None,
    )


def batch(count: int, *, poison: int | None = None, **fields: Any) -> list[Delivery]:
    """This function will return so many messages for one voucher, that one of which cannot be decided."""
    voucher = create_voucher()["id"]
    requests: list[dict[str, Any]] = [redemption(voucher=voucher) for _ in range(count)]
    if poison is not None:
        requests[poison]["customer"] = POISON
    return [delivery(request, number=number, **fields) for number, request in enumerate(requests)]


def fates(outcomes: list[Outcome]) -> list[Fate]:
    """This function will return what became of each message."""
    return [outcome.fate for outcome in outcomes]


def query(statement: str) -> list[tuple[Any, ...]]:
    """This function will return the rows of a query."""
    with transaction() as session:
        return [tuple(row) for row in session.execute(text(statement))]


def begin_alone(delivered: list[Delivery], *, times: int) -> None:
    """This function will leave the messages as a process does that dies over each of them so often."""
    with transaction() as session:
        for each in delivered:
            values = {"project": "gigs", "task_id": each.id, "alone": times}
            session.execute(
                text("INSERT INTO attempts VALUES (:project, :task_id, 0, :alone, clock_timestamp())"), values
            )


@pytest.mark.usefixtures("database")
def test_a_batch_is_one_transaction():
    """Its clock is read once."""
    assert fates(run(REDEEM, batch(50), "")) == [Fate.SUCCEEDED] * 50
    assert query("SELECT count(*), count(DISTINCT decided_at), count(DISTINCT xmin::text) FROM redemptions") == [
        (50, 1, 1)
    ]


@pytest.mark.usefixtures("database")
def test_an_empty_batch_does_nothing():
    """There is nothing to begin a transaction for."""
    assert run(REDEEM, [], "") == []


@pytest.mark.usefixtures("database")
def test_bad_input_fails_alone():
    """The others are decided, and nothing is noted of anybody."""
    delivered = batch(5)
    requests: list[Any] = [None, {}, [], {"project": "gigs"}]
    bad = [delivery(request, number=10 + number) for number, request in enumerate(requests)]
    outcomes = run(REDEEM, [*bad[:2], *delivered, *bad[2:]], "")
    assert fates(outcomes) == [Fate.FAILED] * 2 + [Fate.SUCCEEDED] * 5 + [Fate.FAILED] * 2
    assert {outcome.error.type.__name__ for outcome in outcomes if outcome.error} == {"InvalidRequest"}
    assert query("SELECT * FROM attempts") == []


def test_the_others_of_a_batch_do_not_share_the_poisons_fate(database: dict[str, str]):
    """It is found by halves, and tried again."""
    delivered = batch(21, poison=13)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        outcomes = run(REDEEM, delivered, "")
    assert [number for number, fate in enumerate(fates(outcomes)) if fate is not Fate.SUCCEEDED] == [13]
    assert outcomes[13].fate is Fate.TRY_AGAIN
    assert query("SELECT task_id, together, alone FROM attempts") == [("task-13", 0, 1)]
    assert query("SELECT count(*) FROM redemptions") == [(20,)]


def test_what_fails_alone_three_times_is_a_dead_letter(database: dict[str, str], caplog: pytest.LogCaptureFixture):
    """It says why, and nothing of what was in the message."""
    request = redemption(voucher=create_voucher()["id"], customer=POISON)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        found = [
            run(REDEEM, [delivery(request, number=1, retries=retries), *batch(2)[:1]], "")[0] for retries in range(3)
        ]
    assert fates(found) == [Fate.TRY_AGAIN, Fate.TRY_AGAIN, Fate.FAILED]
    assert found[2].error.type.__name__ == "GivenUp"
    (letter,) = list_newest()
    assert (letter.task_id, letter.project, letter.task, letter.attempts) == ("task-1", "gigs", REDEEM, ALONE_MAX)
    assert letter.reason.startswith("IntegrityError, SQLSTATE 23514, ")
    shown = [caplog.text, letter.reason, *(str(each.error) for each in found)]
    assert [text for text in shown if POISON in text or request["requestId"] in text] == []
    assert query("SELECT * FROM attempts") == []
    kept = show(task_id="task-1")
    assert json.loads(kept.body) == [[], {"request": request}, {}]


def test_two_messages_of_one_id_are_two_dead_letters(database: dict[str, str]):
    """Discarding or sending again takes the older one; the other is kept."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher, customer=POISON) for _ in range(2)]
    with poisoned(database["DATABASE_URL"], customer=POISON):
        for request in requests:
            for retries in range(ALONE_MAX):
                run(REDEEM, [delivery(request, number=1, retries=retries)], "")
    assert len(list_newest()) == 2
    discard(task_id="task-1")
    assert json.loads(show(task_id="task-1").body)[1]["request"] == requests[1]


@pytest.mark.usefixtures("database")
def test_suspects_run_in_ever_smaller_groups_until_each_is_alone(monkeypatch: pytest.MonkeyPatch):
    """What is decided is above poison search."""
    monkeypatch.setenv("SCRIP_BATCH_SIZE_MAX", "64")
    forget_settings()
    delivered = batch(30, again=True)
    sizes = []
    for together in range(3):
        with transaction() as session:
            for each in delivered:
                values = {"task_id": each.id, "together": together}
                session.execute(
                    text("INSERT INTO attempts VALUES ('gigs', :task_id, :together, 0, clock_timestamp())"), values
                )
            session.execute(text("DELETE FROM redemptions"))
            session.execute(text("DELETE FROM discounts"))
            session.execute(text("UPDATE vouchers SET redemptions = 0"))
        assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 30
        sizes.append([count for (count,) in query("SELECT count(*) FROM redemptions GROUP BY decided_at ORDER BY 1")])
        assert query("SELECT * FROM attempts") == []
    monkeypatch.undo()
    forget_settings()
    assert sizes == [[30], [6, 8, 8, 8], [1] * 30]


@pytest.mark.usefixtures("database")
def test_what_was_begun_alone_too_often_is_not_begun_again():
    """Whoever began it did not live to say so: had it run again, it would be noted."""
    delivered = batch(4, again=True)
    begin_alone(delivered[:1], times=ALONE_MAX)
    begin_alone(delivered[1:2], times=ALONE_MAX - 1)
    assert fates(run(REDEEM, delivered, LOST)) == [Fate.FAILED] + [Fate.SUCCEEDED] * 3
    (letter,) = list_newest()
    assert (letter.task_id, letter.reason, letter.attempts) == ("task-0", LOST, ALONE_MAX)
    assert query("SELECT * FROM attempts") == []


@pytest.mark.usefixtures("database")
def test_being_delivered_again_however_often_kills_no_innocent():
    """A worker that is killed at random takes its messages with it; none of them is given up for that."""
    delivered = batch(8, again=True)
    for _ in range(2 * ALONE_MAX):
        assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 8
    assert query("SELECT count(*) FROM redemptions") == [(8,)]
    assert query("SELECT * FROM attempts") == []
    assert list_newest() == []


@pytest.fixture
def impatience() -> Iterator[None]:
    """Connections that wait a second for a lock."""
    with changed_environment(SCRIP_LOCK_TIMEOUT_SECONDS="1"):
        yield


@pytest.mark.usefixtures("impatience")
def test_a_fault_of_the_servers_is_nobodys_doing(database: dict[str, str]):
    """A lock that is not to be had has the whole batch tried again, and counts as no attempt."""
    delivered = batch(6, again=True)
    begin_alone(delivered[:2], times=ALONE_MAX - 1)
    with holding(database["DATABASE_URL"], "SELECT 1 FROM vouchers FOR UPDATE"):
        outcomes = run(REDEEM, delivered, "")
        # The last two are reached while the lock is held too.
        outcomes += run(REDEEM, delivered[:2], "")
    assert fates(outcomes) == [Fate.TRY_AGAIN] * 8
    assert {type(outcome.error).__name__ for outcome in outcomes} == {"OperationalError"}
    noted = query("SELECT task_id, alone FROM attempts WHERE alone > 0 ORDER BY 1")
    assert noted == [("task-0", ALONE_MAX - 1), ("task-1", ALONE_MAX - 1)]
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 6


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
        "internal_error",
    ],
)
def test_whatever_the_servers_cannot_do_now_is_tried_again(database: dict[str, str], error: str):
    """However often: nothing is given up for it, and all are decided when it is over."""
    delivered = batch(3, poison=1, retries=RETRIES_MAX)
    with poisoned(database["DATABASE_URL"], customer=POISON, error=error):
        for _ in range(ALONE_MAX + 1):
            assert fates(run(REDEEM, delivered, "")) == [Fate.TRY_AGAIN] * 3
    assert list_newest() == []
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3


@pytest.mark.usefixtures("database")
def test_a_request_that_nobody_can_read_and_a_message_of_no_project_are_kept_too():
    """What a message says of its project is not to be relied on."""
    projects = [7, "\0", "p" * 256, "", None]
    strange = [delivery({"project": project}, number=number, again=True) for number, project in enumerate(projects)]
    with transaction() as session:
        for each in strange:
            session.execute(
                text("INSERT INTO attempts VALUES ('', :task_id, 0, 3, clock_timestamp())"), {"task_id": each.id}
            )
    assert fates(run(REDEEM, strange, LOST)) == [Fate.FAILED] * len(projects)
    assert {letter.project for letter in list_newest()} == {""}
    assert len(list_newest()) == len(projects)


@pytest.mark.usefixtures("database")
def test_invoices_are_decided_in_batches_too():
    """The same function, whatever the task."""
    delivered = [delivery(invoice(), number=number) for number in range(4)]
    assert fates(run("billing.apply", delivered, "")) == [Fate.SUCCEEDED] * 4
    assert query("SELECT count(*), count(DISTINCT applied_at) FROM invoice_discounts") == [(4, 1)]


@pytest.mark.usefixtures("database")
def test_a_message_that_cannot_even_be_read_fails_alone():
    """What is wrong with it is nobody else's fault, and it is kept in the end."""
    delivered = batch(4, again=True)
    delivered[1] = delivered[1]._replace(kwargs=None)
    succeeded, again, failed = Fate.SUCCEEDED, Fate.TRY_AGAIN, Fate.FAILED
    assert fates(run(REDEEM, delivered, "")) == [succeeded, again, succeeded, succeeded]
    assert fates(run(REDEEM, delivered, "")) == [succeeded, again, succeeded, succeeded]
    assert fates(run(REDEEM, delivered, "")) == [succeeded, failed, succeeded, succeeded]
    assert [letter.task_id for letter in list_newest()] == ["task-1"]


def test_a_message_that_cannot_be_kept_is_tried_again(database: dict[str, str], caplog: pytest.LogCaptureFixture):
    """Rather than be gone, or have the others share its fate."""
    delivered = batch(3, poison=1, again=True)
    original = delivered[1].original
    assert original is not None
    # No text in Postgres may have that in it.
    delivered[1] = delivered[1]._replace(original=original._replace(queue="\0"))
    begin_alone(delivered[1:2], times=ALONE_MAX - 1)
    with poisoned(database["DATABASE_URL"], customer=POISON):
        for _ in range(2):
            assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED, Fate.TRY_AGAIN, Fate.SUCCEEDED]
    assert "it could not be kept: DataError" in caplog.text
    assert POISON not in caplog.text
    assert list_newest() == []
    # It is mended, and so is the message.
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 3


@pytest.mark.usefixtures("impatience")
def test_while_the_servers_are_away_a_message_is_tried_for_ever(database: dict[str, str]):
    """However often: a request is never lost for that."""
    delivered = batch(2, retries=1_000_000)
    with holding(database["DATABASE_URL"], "SELECT 1 FROM vouchers FOR UPDATE"):
        assert fates(run(REDEEM, delivered, "")) == [Fate.TRY_AGAIN] * 2
    assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 2


@pytest.mark.usefixtures("impatience")
def test_what_runs_by_itself_is_kept_after_its_last_attempt(database: dict[str, str]):
    """The servers were away for days; what was asked is there when they are back."""
    request = {"requests": [redemption(voucher=create_voucher()["id"])]}
    with holding(database["DATABASE_URL"], "SELECT 1 FROM vouchers FOR UPDATE"):
        result = task_named("redemptions.redeem_many").apply(
            kwargs={"request": request}, retries=RETRIES_MAX, routing_key="redemptions"
        )
    assert type(result.result).__name__ == "Undecided"
    assert [letter.task_id for letter in list_newest()] == [result.id]
