"""A story: the calls of one project's billing system, each made from the answers to the earlier ones."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

from tasks.intake.decide_batch import BatchInChild
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.parsing import parse
from tests.intake.deliveries import delivery
from tests.projects.twins import as_twin
from tests.support.tasks import task_named

Answer = dict[str, Any]


class Call(NamedTuple):
    """A task and requests to it. A task that gathers messages decides them in one batch."""

    task: str
    requests: Sequence[Any]


Story = Callable[[], Generator[Call, list[Answer], None]]

# What they do, they do for every project.
OF_EVERY_PROJECT = {"audit.run", "expiry.prune", "expiry.sweep"}


def answer(call: Call) -> list[Answer]:
    """Return the answers to a call: those of a batch, if the task gathers messages."""
    if not call.requests:
        return []
    if task_named(call.task).is_gathered:
        return batch_answers(call)
    return [answer_alone(call.task, each) for each in call.requests]


def answer_as_twin(call: Call) -> list[Answer]:
    """Return the answers to a call, sent by the twin."""
    return answer(Call(call.task, as_twin(call.requests)))


def answer_alone(task: str, request: Any) -> Answer:
    """Return the answer to a valid request by itself, or the error if the rows do not allow it."""
    parse(task_named(task).decision.message, request)
    try:
        found: Answer = task_named(task)(request=request)
    except (InvalidRequest, NotFound) as error:
        return {"error": str(error)}
    return found


def batch_answers(call: Call) -> list[Answer]:
    """Return the answers to the requests of one batch, as a child decides it."""
    deliveries = [delivery(request, number=number) for number, request in enumerate(call.requests)]
    batch = BatchInChild(task_named(call.task), deliveries, child_death="")
    requests = batch.parse(range(len(deliveries)))
    assert len(requests) == len(deliveries), f"{call.task}: a request is not valid"
    return batch.answers_to(requests)
