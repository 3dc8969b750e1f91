"""Poison search: suspects run in ever smaller groups, until the message that kills processes is alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle

import pytest
from sqlalchemy import event, text

from tasks.intake.decide_batch import ALONE_IN_LOSSES_MAX, ALONE_MAX, LOOKS_MAX
from tasks.wire.dead_letters import list_newest
from tests.intake.deliveries import LOST, REDEEM, batch, begin_alone, delivery, fates, query, run
from tests.support.administrator import as_administrator
from tests.support.tampering import tamper
from worker.database import engine
from worker.fault_points import VARIABLE, FaultPoint, armed
from worker.intake.delivery import ENDS_CONNECTIONS, Delivery, Fate, Outcome
from worker.settings import forget_settings

pytestmark = pytest.mark.usefixtures("database")

WORKER_LOST = ""


class ProcessDied(BaseException):
    """The death of the process that decides a batch, which no code of ours catches."""


@contextmanager
def dying_over(request_id: str) -> Iterator[list[int]]:
    """Kill each transaction that looks up the request, and yield the sizes of their groups."""
    sizes: list[int] = []

    def die(_connection, _cursor, _statement, parameters, *_) -> None:
        for values in parameters.values():
            if isinstance(values, list) and request_id in values:
                sizes.append(len(values))
                raise ProcessDied

    event.listen(engine(), "before_cursor_execute", die)
    try:
        yield sizes
    finally:
        event.remove(engine(), "before_cursor_execute", die)


def run_until_nobody_dies(deliveries: list[Delivery], *, deaths: tuple[str, ...]) -> list[Outcome]:
    """Run a batch again after each death of the child or of the worker, which die in turns."""
    requests = [each.kwargs["request"] for each in deliveries]
    child_death, next_deaths = "", cycle(deaths)
    while True:
        try:
            return run(REDEEM, deliveries, child_death)
        except ProcessDied:
            child_death = next(next_deaths)
            fields = {"is_suspect": True} if child_death else {"redelivered": True}
            deliveries = [delivery(request, number=number, **fields) for number, request in enumerate(requests)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deaths", "sizes"),
    [
        ((LOST,), [500, 62, 7] + [1] * ALONE_MAX),
        ((WORKER_LOST,), [500, 500, 62, 7] + [1] * ALONE_IN_LOSSES_MAX),
        # The death of a child is evidence, with whatever came before.
        ((LOST, WORKER_LOST), [500, 62, 7] + [1] * (ALONE_MAX + 1)),
        ((WORKER_LOST, LOST), [500, 500, 62, 7] + [1] * (ALONE_MAX + 1)),
    ],
)
def test_a_message_that_kills_its_process_is_alone_after_few_deaths(deaths, sizes):
    """The message has some attempts alone, and all other messages are decided once."""
    first = batch(500)
    with dying_over(first[250].kwargs["request"]["requestId"]) as found:
        outcomes = run_until_nobody_dies(first, deaths=deaths)
    assert found == sizes
    assert fates(outcomes) == [Fate.SUCCEEDED] * 250 + [Fate.FAILED] + [Fate.SUCCEEDED] * 249
    assert query("SELECT count(*) FROM redemptions") == [(499,)]
    assert [letter.task_id for letter in list_newest()] == ["task-250"]
    assert query("SELECT * FROM attempts") == []


def test_suspects_run_in_ever_smaller_groups_until_each_is_alone(monkeypatch: pytest.MonkeyPatch):
    """A decided message is no suspect any more."""
    monkeypatch.setenv("SCRIP_BATCH_SIZE_MAX", "64")
    forget_settings()
    delivered = batch(30, redelivered=True)
    sizes = []
    for together in range(3):
        with as_administrator() as session:
            for each in delivered:
                values = {"task_id": each.id, "together": together}
                session.execute(
                    text("INSERT INTO attempts VALUES ('gigs', :task_id, :together, 0, clock_timestamp())"), values
                )
        tamper("DELETE FROM redemptions; DELETE FROM discounts; UPDATE vouchers SET redemptions = 0")
        assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 30
        sizes.append([count for (count,) in query("SELECT count(*) FROM redemptions GROUP BY decided_at ORDER BY 1")])
        assert query("SELECT * FROM attempts") == []
    monkeypatch.undo()
    forget_settings()
    assert sizes == [[30], [6, 8, 8, 8], [1] * 30]


def test_what_was_begun_alone_too_often_is_not_begun_again():
    """The message is given up before another process dies."""
    delivered = batch(4, redelivered=True)
    begin_alone(delivered[:1], times=ALONE_MAX)
    begin_alone(delivered[1:2], times=ALONE_MAX - 1)
    assert fates(run(REDEEM, delivered, LOST)) == [Fate.FAILED] + [Fate.SUCCEEDED] * 3
    (letter,) = list_newest()
    assert (letter.task_id, letter.reason, letter.attempts) == ("task-0", LOST, ALONE_MAX)
    assert query("SELECT * FROM attempts") == []


@pytest.mark.parametrize(
    ("death", "times"),
    [(LOST, ALONE_MAX), (WORKER_LOST, ALONE_IN_LOSSES_MAX), (ENDS_CONNECTIONS, ALONE_IN_LOSSES_MAX + LOOKS_MAX - 1)],
)
@pytest.mark.parametrize("task", [REDEEM, "redemptions.redeem_many"])
def test_a_message_that_is_committed_is_not_given_up(task: str, death: str, times: int):
    """Its process died each time, or lost its connection, but after COMMIT. Its caller gets the answer."""
    (message,) = batch(1, redelivered=True)
    if task != REDEEM:
        message = message._replace(kwargs={"request": {"requests": [message.kwargs["request"]]}})
    (first,) = run(task, [message], "")
    begin_alone([message], times=times, project="gigs" if task == REDEEM else "")
    assert fates([first, *run(task, [message], death)]) == [Fate.SUCCEEDED] * 2
    assert list_newest() == []
    assert query("SELECT count(*) FROM redemptions") == [(1,)]
    assert query("SELECT * FROM attempts") == []


@pytest.mark.parametrize("task", [REDEEM, "redemptions.redeem_many"])
def test_an_answer_is_found_although_the_connection_is_lost_after_it(monkeypatch: pytest.MonkeyPatch, task: str):
    """The look has changed nothing, so the end of its transaction does not matter."""
    (message,) = batch(1, redelivered=True)
    if task != REDEEM:
        message = message._replace(kwargs={"request": {"requests": [message.kwargs["request"]]}})
    assert fates(run(task, [message], "")) == [Fate.SUCCEEDED]
    begin_alone([message], times=ALONE_IN_LOSSES_MAX, project="gigs" if task == REDEEM else "")
    # A commit after the look would be the third.
    monkeypatch.setattr("worker.database.reach", armed({VARIABLE: f"{FaultPoint.AFTER_COMMIT}:raise:3"}))
    assert fates(run(task, [message], ENDS_CONNECTIONS)) == [Fate.SUCCEEDED]


def test_looking_for_an_answer_writes_nothing():
    """A message that is not decided is given up as it is."""
    (message,) = batch(1, redelivered=True)
    begin_alone([message], times=ALONE_MAX)
    assert fates(run(REDEEM, [message], LOST)) == [Fate.FAILED]
    assert query("SELECT count(*) FROM redemptions") == [(0,)]
    assert query("SELECT redemptions FROM vouchers") == [(0,)]


def test_being_delivered_again_however_often_kills_no_innocent():
    """A worker that is killed at random leaves all messages to be redelivered, and none is given up for that."""
    delivered = batch(8, redelivered=True)
    for _ in range(2 * ALONE_MAX):
        assert fates(run(REDEEM, delivered, "")) == [Fate.SUCCEEDED] * 8
    assert query("SELECT count(*) FROM redemptions") == [(8,)]
    assert query("SELECT * FROM attempts") == []
    assert list_newest() == []


def test_a_request_that_nobody_can_read_and_a_message_of_no_project_are_kept_too():
    """A project of a wrong type or length is no key, so these messages are stored with an empty project."""
    projects = [7, "\0", "p" * 256, "", None]
    strange = [
        delivery({"project": project}, number=number, redelivered=True) for number, project in enumerate(projects)
    ]
    with as_administrator() as session:
        for each in strange:
            session.execute(
                text("INSERT INTO attempts VALUES ('', :task_id, 0, 3, clock_timestamp())"), {"task_id": each.id}
            )
    assert fates(run(REDEEM, strange, LOST)) == [Fate.FAILED] * len(projects)
    assert {letter.project for letter in list_newest()} == {""}
    assert len(list_newest()) == len(projects)
