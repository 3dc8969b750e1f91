"""Two projects that use the same task ids get their own effects and answers, and neither result replaces the other."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import pytest
from celery import Celery, states

from tests.contract.page import Identities, Step, steps
from tests.end_to_end.broker import with_redis
from tests.support.administrator import empty_broker
from tests.support.concurrency import at_once
from tests.support.tasks import task_named
from tests.support.waiting import eventually
from worker.intake.current_message import deciding
from worker.intake.dropped_messages import DroppedMessages, undecided_delivery
from worker.intake.named_projects import projects_in
from worker.intake.results import TaskResult, write

# A database of Valkey for the results.
RESULTS = 14
# The projects of docs/contract.md, and those of the other.
RIVALS = {
    "acme": "rival",
    "globex": "globex-rival",
    "newcomers": "newcomers-rival",
    "campaigns": "campaigns-rival",
    "P11112222": "P22221111",
    "1dbfc517-0bbf-4301-9ba8-555ca42b9737": "2dbfc517-0bbf-4301-9ba8-555ca42b9737",
}
OF_ALL = {"expiry.sweep", "expiry.prune", "audit.run"}


class Caller(NamedTuple):
    """The one who sends the examples of the contract for some projects."""

    identities: Identities
    names: dict[str, str]

    def call(self, step: Step, *, task_id: str) -> list[str]:
        """Send an example as the message of that id, and return the differences from the answer of the page."""
        request = renamed(self.identities.substitute(step.request), self.names)
        with deciding(undecided_delivery(task_id, kwargs={"request": request})._replace(wants_answer=False)):
            answer = task_named(step.task)(request=request)
        back = {new: old for old, new in self.names.items()}
        return self.identities.differences(step.answer, renamed(json.loads(json.dumps(answer)), back))


def renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a value of JSON with other projects."""
    text = json.dumps(value)
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    return json.loads(text)


def one_after_the_other(calls: list[Callable[[], list[str]]]) -> list[list[str]]:
    """Make calls in order."""
    return [call() for call in calls]


@pytest.mark.slow
@pytest.mark.usefixtures("wide_pool")
@pytest.mark.parametrize("order", [one_after_the_other, at_once])
def test_each_project_gets_its_own_answers(order: Callable[..., list[list[str]]]) -> None:
    """Every example of the contract, for two sets of projects that send the same ids, task ids included."""
    callers = [Caller(Identities(), {}), Caller(Identities(), RIVALS)]
    for number, step in enumerate(steps()):
        if step.task in OF_ALL:
            # Their counts are those of all projects.
            task_named(step.task)(request=step.request)
            continue
        calls = [partial(each.call, step, task_id=f"task-{number}") for each in callers]
        assert order(calls) == [[], []], step.task


def test_the_examples_name_no_other_project() -> None:
    """Otherwise both callers would send for the same one."""
    named = {each for step in steps() for each in projects_in({"request": step.request}, task=step.task)}
    assert named <= set(RIVALS)


@pytest.fixture
def backend(environment: dict[str, str]) -> Iterator[Any]:
    """Yield the backend of an app with results in a separate Redis database."""
    url = with_redis(environment, number=RESULTS)["REDIS_URL"]
    app = Celery("client", broker=url, backend=url, set_as_current=False)
    yield app.backend
    app.backend.client.connection_pool.disconnect()
    empty_broker(url)
    app.close()


def result(state: str, answer: Any, *, project: str | None = None) -> TaskResult:
    """Return a result of the task `task-1` of a project, or of nobody."""
    kwargs = None if project is None else {"request": {"project": project}}
    return TaskResult(undecided_delivery("task-1", kwargs=kwargs), state, answer)


def stored(backend: Any) -> tuple[str, Any]:
    """Return the state and the result of the task as its caller sees them."""
    meta = json.loads(backend.client.get("celery-task-meta-task-1"))
    return meta["status"], meta["result"]


@pytest.mark.parametrize("state", [states.SUCCESS, states.FAILURE, states.RETRY, states.REVOKED, "PROGRESS"])
@pytest.mark.parametrize("first", [states.SUCCESS, states.FAILURE, states.RETRY, "PROGRESS"])
@pytest.mark.parametrize("other", ["rival", None])
def test_a_result_of_another_project_replaces_none(
    backend: Any, caplog: pytest.LogCaptureFixture, first: str, state: str, other: str | None
) -> None:
    """Whatever the state of either. Nor is it published, and the log says that there was one."""
    theirs = ValueError("forged") if state not in {states.SUCCESS, "PROGRESS"} else "forged"
    ours = ValueError("ours") if first in {states.FAILURE, states.RETRY} else "ours"
    write(backend, [result(first, ours, project="acme")])
    before = stored(backend)
    with backend.client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe("celery-task-meta-task-1")
        write(backend, [result(state, theirs, project=other)])
        assert stored(backend) == before
        write(backend, [result(states.SUCCESS, "ours in the end", project="acme")])
        published = json.loads(eventually(listener.get_message)["data"])
    assert published["result"] == "ours in the end"
    assert "other projects have tasks with the same ids" in caplog.text


def test_a_project_replaces_its_own_result_and_those_of_nobody(backend: Any) -> None:
    """But no success by anything else."""
    write(backend, [result(states.FAILURE, ValueError("dropped"))])
    write(backend, [result(states.RETRY, ValueError("later"), project="acme")])
    write(backend, [result(states.SUCCESS, "first", project="acme")])
    write(backend, [result(states.FAILURE, ValueError("late"), project="acme")])
    assert stored(backend) == (states.SUCCESS, "first")
    write(backend, [result(states.SUCCESS, "again", project="acme")])
    assert stored(backend) == (states.SUCCESS, "again")


def test_a_dropped_message_replaces_no_result(backend: Any) -> None:
    """It names a task id too, and nobody knows whose it is."""
    write(backend, [result(states.FAILURE, ValueError("ours"), project="acme")])
    before = stored(backend)
    DroppedMessages(backend.app).store_failure({"id": "task-1"}, ValueError("forged"))
    assert stored(backend) == before


def test_a_text_that_is_no_result_is_replaced(backend: Any) -> None:
    """Another program may have written it."""
    for text in ("nothing", "7", "[]", '{"owner": 7}'):
        backend.client.set("celery-task-meta-task-1", text)
        write(backend, [result(states.SUCCESS, text, project="acme")])
        assert stored(backend) == (states.SUCCESS, text)
        backend.client.delete("celery-task-meta-task-1")
