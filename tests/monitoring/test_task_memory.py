"""Flower's memory of tasks has a limit, and a rare task is not pushed out of it by frequent ones."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from worker.monitoring.task_memory import EventsState

LIMIT = 100
TEN_THOUSAND = 10_000
VOUCHER = "vou_01h455vb4pex5vsknk084sn02q"
REDEEM, SWEEP = "redemptions.redeem", "expiry.sweep"

Event = dict[str, Any]


@pytest.fixture
def state() -> EventsState:
    """Return a memory for a hundred tasks."""
    return EventsState(max_tasks_in_memory=LIMIT)


def event_of(task_id: str, kind: str, **fields: Any) -> Event:
    """Return an event of a worker."""
    clock = {"timestamp": 1.0, "local_received": 1.0, "clock": 1, "pid": 1, "utcoffset": 0}
    return {"type": f"task-{kind}", "uuid": task_id, "hostname": "redemptions@one", **clock, **fields}


def life_of(task_id: str, name: str) -> Iterator[Event]:
    """Yield the events of a task."""
    yield event_of(task_id, "received", name=name, kwargs="{'project': 'gigs'}")
    yield event_of(task_id, "started")
    yield event_of(task_id, "succeeded", result="accepted", runtime=0.1)


def run(state: EventsState, name: str, *, count: int) -> list[str]:
    """Run tasks of that name one after the other, and return their ids."""
    task_ids = [f"{name}-{number}" for number in range(count)]
    for task_id in task_ids:
        for event in life_of(task_id, name):
            state.event(event)
    return task_ids


def counts(state: EventsState) -> Counter[str | None]:
    """Return the number of tasks in memory of each name."""
    return Counter(task.name for _, task in state.itertasks())


@pytest.mark.slow
def test_ten_thousand_redemptions_push_out_no_sweep(state: EventsState) -> None:
    """The newest redemptions take the place of older ones, and the memory keeps its limit."""
    sweeps = run(state, SWEEP, count=5)
    redemptions = run(state, REDEEM, count=TEN_THOUSAND)
    assert counts(state) == {SWEEP: 5, REDEEM: LIMIT - 5}
    assert set(state.tasks) == {*sweeps, *redemptions[-95:]}
    assert set(state.search_engine.documents) == set(state.tasks)
    assert {state.tasks[each].result for each in sweeps} == {"accepted"}


def test_each_name_keeps_its_share(state: EventsState) -> None:
    """A frequent task never takes more than the others leave."""
    for name in ("vouchers.create", SWEEP, REDEEM, SWEEP, "vouchers.create"):
        run(state, name, count=3 * LIMIT)
    assert counts(state).total() == LIMIT
    assert min(counts(state).values()) >= LIMIT // 3


def test_the_oldest_of_the_most_frequent_goes_first(state: EventsState) -> None:
    """A task is as old as its last event."""
    first, *others = run(state, REDEEM, count=LIMIT)
    state.event(event_of(first, "succeeded", result="accepted"))
    run(state, SWEEP, count=1)
    assert first in state.tasks
    assert others[0] not in state.tasks


def test_late_events_of_a_task_that_was_pushed_out_are_only_counted(state: EventsState) -> None:
    """Flower would show a task without a name."""
    received, started, succeeded = life_of("late", REDEEM)
    state.event(received)
    run(state, REDEEM, count=LIMIT)
    before = state.counter["redemptions@one"]["task-succeeded"]
    state.event(started)
    state.event(succeeded)
    assert "late" not in state.tasks
    assert counts(state) == {REDEEM: LIMIT}
    assert state.counter["redemptions@one"]["task-succeeded"] == before + 1


def test_a_failure_is_shown_even_if_nothing_else_is_known_of_the_task(state: EventsState) -> None:
    """A message of an unknown task has no other event."""
    state.event(event_of("unknown", "failed", exception="NotRegistered('nothing')"))
    assert state.tasks["unknown"].state == "FAILURE"


def test_cleared_tasks_take_no_share(state: EventsState) -> None:
    """A task that still runs is kept."""
    run(state, REDEEM, count=LIMIT)
    state.event(event_of("running", "received", name=SWEEP))
    state.clear_tasks()
    assert counts(state) == {SWEEP: 1}
    run(state, REDEEM, count=2 * LIMIT)
    assert counts(state) == {SWEEP: 1, REDEEM: LIMIT - 1}


def test_a_heartbeat_is_an_event_of_the_worker(state: EventsState) -> None:
    """It is no task's."""
    state.event({**event_of("", "received"), "type": "worker-heartbeat", "active": 0})
    assert not state.tasks
    assert "redemptions@one" in state.workers


@pytest.mark.parametrize(
    ("announced", "shown"),
    [
        ("{'request': {'project': 'gigs', 'requestId': 'order-1', 'code': 'SECRET'}}", "gigs order-1"),
        ("{'project': 'gigs', 'requestId': 'order-1'}", "gigs order-1"),
        (f"{{'count': 500, 'project': 'gigs', 'voucher': '{VOUCHER}'}}", f"500 gigs {VOUCHER}"),
        ("{'request': {'project': 'gigs', 'code': 'SECRET', 'products': ['prod_…", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_flower_shows_a_tasks_ids_and_nothing_else_of_it(state: EventsState, announced: str | None, shown: str) -> None:
    """Senders announce whole bodies, truncated at any point, and answers have the code."""
    state.event(event_of("1", "received", name=REDEEM, args="('SECRET',)", kwargs=announced))
    state.event(event_of("1", "succeeded", result="{'code': 'SECRET'}"))
    assert "SECRET" not in repr(state.tasks["1"].as_dict())
    assert re.findall(r": '?([\w-]+)", state.tasks["1"].kwargs) == shown.split()


@pytest.mark.parametrize(
    ("announced", "shown"),
    [
        ("refused already_applied", "refused already_applied"),
        ("accepted 3, invalid 1", "accepted 3, invalid 1"),
        ("{'code': 'SECRET'}", ""),
        ("'SECRET'", ""),
        (None, ""),
    ],
)
def test_flower_shows_an_outcome_and_no_other_result(state: EventsState, announced: str | None, shown: str) -> None:
    """Workers of other projects on the same broker may announce whole answers."""
    state.event(event_of("1", "received", name=REDEEM))
    state.event(event_of("1", "succeeded", result=announced))
    assert state.tasks["1"].result == shown
