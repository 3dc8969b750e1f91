"""Play a story for a project alone, beside the rows of its twin, and for both at once."""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any, NamedTuple

from sqlalchemy import event

from tests.contract.page import Identities
from tests.projects.calls import OF_EVERY_PROJECT, Answer, Call, Story, answer
from tests.projects.twins import as_twin
from worker.database import engine

DEADLINE_SECONDS = 30
# Both answer the calls of a project and of its twin.
Together = Callable[[Call, Call], tuple[list[Answer], list[Answer]]]


class Told(NamedTuple):
    """A call and its answers, when the project was alone."""

    call: Call
    answers: list[Answer]


def play(story: Story, answering: Callable[[Call], list[Answer]] = answer) -> list[Told]:
    """Play a story to its end, and return what was told."""
    told, telling = [], story()
    call: Call | None = next(telling)
    while call is not None:
        answers = answering(call)
        told.append(Told(call, answers))
        call = _following(telling, answers)
    return told


def play_both(story: Story, together: Together) -> tuple[list[Told], list[Told]]:
    """Play a story for the project and for its twin, call by call, and return what was told to each."""
    told: tuple[list[Told], list[Told]] = ([], [])
    tellings = story(), story()
    calls: list[Call | None] = [next(each) for each in tellings]
    while calls[0] is not None and calls[1] is not None:
        own, twin = calls[0], Call(calls[1].task, as_twin(calls[1].requests))
        answers = _once(own) if own.task in OF_EVERY_PROJECT else together(own, twin)
        for position, call in enumerate((own, twin)):
            told[position].append(Told(call, answers[position]))
        calls = [_following(telling, each) for telling, each in zip(tellings, answers, strict=True)]
    assert calls == [None, None]
    return told


def _once(call: Call) -> tuple[list[Answer], list[Answer]]:
    answers = answer(call)
    if call.task == "expiry.sweep":
        # It counts what it did for both, which are in the same state.
        answers = [{name: _half(each) for name, each in found.items()} for found in answers]
    return answers, answers


def _half(count: Any) -> Any:
    if isinstance(count, int):
        assert count % 2 == 0
        return count // 2
    return count


def _following(telling: Generator[Call, list[Answer], None], answers: list[Answer]) -> Call | None:
    try:
        return telling.send(answers)
    except StopIteration:
        return None


def differences(alone: Sequence[Told], found: Sequence[Told], *, is_twin: bool) -> list[str]:
    """Return where the answers differ from those to the project alone, but for new ids and instants."""
    identities = Identities()
    expected = [as_twin(each.answers) if is_twin else each.answers for each in alone]
    return [
        f"call {number}, {each.call.task}: {difference}"
        for number, (wanted, each) in enumerate(zip(expected, found, strict=True))
        for difference in identities.differences(wanted, each.answers)
    ]


def in_one_batch(first: Call, second: Call) -> tuple[list[Answer], list[Answer]]:
    """Answer the requests of both in one batch or in one bulk request, by turns, or else one after the other."""
    from_each = [request for pair in zip(first.requests, second.requests, strict=True) for request in pair]
    lists = [name for name, value in from_each[0].items() if isinstance(value, list)] if from_each else []
    if len(from_each) == 2 and len(from_each[0]) == len(lists) == 1:
        (name,) = lists
        items = [item for pair in zip(*(each[name] for each in from_each), strict=True) for item in pair]
        ((bulk,),) = [answer(Call(first.task, [{name: items}]))]
        return [{**bulk, "items": bulk["items"][::2]}], [{**bulk, "items": bulk["items"][1::2]}]
    answers = answer(Call(first.task, from_each))
    return answers[::2], answers[1::2]


def twin_first(together: Together) -> Together:
    """Return the same with the twin's call first."""

    def reversed_together(own: Call, twin: Call) -> tuple[list[Answer], list[Answer]]:
        of_twin, of_own = together(twin, own)
        return of_own, of_twin

    return reversed_together


def while_first_holds_its_locks(first: Call, second: Call) -> tuple[list[Answer], list[Answer]]:
    """Answer the second call while the first one has decided, and does not commit yet."""
    with ThreadPoolExecutor(1) as threads, holding_first_commit() as (reached, release):
        future = threads.submit(_answer_and_note, first, reached)
        try:
            assert reached.wait(DEADLINE_SECONDS)
            of_second = answer(second)
        finally:
            release.set()
        return future.result(), of_second


def _answer_and_note(call: Call, reached: Event) -> list[Answer]:
    try:
        return answer(call)
    finally:
        reached.set()


@contextmanager
def holding_first_commit() -> Iterator[tuple[Event, Event]]:
    """Stop the first transaction that commits until it is released. The others commit at once."""
    reached, release = Event(), Event()

    def hold(_connection: Any) -> None:
        if not reached.is_set():
            reached.set()
            assert release.wait(DEADLINE_SECONDS)

    event.listen(engine(), "commit", hold)
    yield reached, release
    event.remove(engine(), "commit", hold)
