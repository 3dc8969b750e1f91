"""Deciding a batch of messages in a child: one transaction, and what happens to the batch that does not go through.

A batch that fails on its data is halved until the one message is alone that nobody can decide. A batch that did not
outlive its child comes again under poison search, in ever smaller groups, each of which is noted before it begins. What
has failed alone in all of its attempts is given up: it becomes a dead letter, and its caller is told so.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from celery import Task, states
from celery.app.task import Context
from celery.app.trace import LOG_SUCCESS, TraceInfo
from celery.utils.log import get_logger
from celery.utils.serialization import get_pickleable_exception
from sqlalchemy.orm import Session

from tasks.intake.poison_messages import PoisonSearch
from tasks.wire.answers import Answer
from tasks.wire.dead_letters import give_up, message_key, reason_without_values
from tasks.wire.errors import INFRASTRUCTURE_FAULTS, InvalidRequest, Undecided
from tasks.wire.message import Message
from tasks.wire.parsing import argument_of, parse
from worker.database import run_in_transaction
from worker.intake.delivery import Delivery, Fate, GivenUp, Original, Outcome
from worker.intake.results import ResultStore, TaskResult

logger = get_logger(__name__)
# Where Celery's children say what became of a task.
trace_logger = get_logger("celery.app.trace")

ALONE_MAX = 3

_store = ResultStore()


def decide_batch(task: Task, deliveries: Sequence[Delivery], child_death: str) -> list[Outcome]:
    """Decide the messages of a task and return the outcome of each, in their order.

    `child_death` says how the child ended that had them before, or is empty.
    """
    job = BatchInChild(task, deliveries, child_death=child_death)
    try:
        job.decide_all()
    except INFRASTRUCTURE_FAULTS as error:
        job.try_again_what_is_left(error)
    return [job.outcomes[position] for position in range(len(deliveries))]


class BatchInChild:
    """The messages of one batch by their positions in it, and what has become of them."""

    def __init__(self, task: Task, deliveries: Sequence[Delivery], *, child_death: str) -> None:
        """This method will begin with nothing decided."""
        self.task = task
        self.deliveries = deliveries
        self.child_death = child_death
        self.outcomes: dict[int, Outcome] = {}
        # Attempts alone, this one included, of those whose attempt was noted before it began.
        self.counted: dict[int, int] = {}
        self.keys = [message_key(each.kwargs, task_id=each.id) for each in deliveries]
        self.poison_search = PoisonSearch(self.keys)

    def decide_all(self) -> None:
        """This method will decide what is above poison search first: nothing that comes later can take it back."""
        self.poison_search.look_up(self.deliveries, lost=bool(self.child_death))
        everything = range(len(self.deliveries))
        self.decide([position for position in everything if position not in self.poison_search.noted])
        for group in self.poison_search.groups():
            if len(group) == 1:
                self.decide_alone(group[0])
            else:
                self.poison_search.note_together(group)
                self.decide(group)

    def decide_alone(self, position: int) -> None:
        """This method will decide a message that may end this process, unless it has had all of its attempts."""
        attempts = self.poison_search.note_alone(position)
        original = self.deliveries[position].original
        if attempts > ALONE_MAX and original:
            self.give_up(position, original, reason=self.child_death or "its worker was lost", attempts=ALONE_MAX)
            return
        self.counted[position] = attempts
        try:
            self.decide([position])
        except INFRASTRUCTURE_FAULTS:
            # That was not the message's doing.
            with suppress(*INFRASTRUCTURE_FAULTS):
                self.poison_search.forget_alone(position)
            raise

    def decide(self, positions: Sequence[int]) -> None:
        """This method will decide the messages together, or in halves where they fail together."""
        started = time.monotonic()
        requests = self.parse(positions)
        if not requests:
            return
        try:
            answers = run_in_transaction(lambda session: self.decide_in(session, requests))
        except INFRASTRUCTURE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must not share its fate
            fault = error
        else:
            self.succeed(dict(zip(requests, answers, strict=True)), seconds=time.monotonic() - started)
            return
        # No longer in its context, with which it would be shown: it may have in it what was sent.
        self.separate(list(requests), fault)

    def parse(self, positions: Sequence[int]) -> dict[int, Message]:
        """This method will read the messages, and fail those that are no valid request."""
        requests: dict[int, Message] = {}
        invalid: dict[int, TaskResult] = {}
        unreadable: dict[int, Exception] = {}
        for position in positions:
            delivery = self.deliveries[position]
            try:
                requests[position] = parse(self.task.batched.message, argument_of(delivery.args, delivery.kwargs))
            except InvalidRequest as error:
                invalid[position] = self.fail(position, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others must not share its fate
                unreadable[position] = error
        if invalid:
            self.poison_search.clear(invalid.keys() & self.poison_search.noted.keys())
            _store.store(self.task.backend, list(invalid.values()))
        for position, fault in unreadable.items():
            self.fail_alone(position, fault)
        return requests

    def decide_in(self, session: Session, requests: Mapping[int, Message]) -> list[Answer]:
        """This method will decide the requests, which are above poison search if this is committed."""
        answers: list[Answer] = self.task.batched.decide(session, list(requests.values()))
        self.poison_search.clear_noted(session, positions=requests)
        return answers

    def succeed(self, answers: Mapping[int, Answer], *, seconds: float) -> None:
        """This method will note and store what is committed now."""
        outcome = Outcome(Fate.SUCCEEDED, seconds)
        for position in answers:
            self.outcomes[position] = outcome
        _store.store(
            self.task.backend,
            [TaskResult(self.deliveries[position], states.SUCCESS, answer) for position, answer in answers.items()],
        )
        self.log_success(answers, seconds=seconds)

    def log_success(self, answers: Mapping[int, Answer], *, seconds: float) -> None:
        """This method will say of each message what Celery says of a task."""
        for position in answers:
            said = {
                "name": self.task.name,
                "id": self.deliveries[position].id,
                "runtime": seconds,
                "return_value": "…",
            }
            trace_logger.info(LOG_SUCCESS, said)

    def separate(self, positions: Sequence[int], error: Exception) -> None:
        """This method will find out which of the messages cannot be decided."""
        if len(positions) == 1:
            self.fail_alone(positions[0], error)
            return
        middle = len(positions) // 2
        self.decide(positions[:middle])
        self.decide(positions[middle:])

    def fail_alone(self, position: int, error: Exception) -> None:
        """This method will have a message tried again, or give it up after its last attempt."""
        attempts = self.counted.get(position) or self.poison_search.note_alone(position)
        reason, delivery = reason_without_values(error), self.deliveries[position]
        logger.error(
            "Task %s[%s] failed alone, attempt %d of %d: %s", self.task.name, delivery.id, attempts, ALONE_MAX, reason
        )
        # A first delivery is not its last: what was noted of it is another's of the same id.
        if attempts >= ALONE_MAX and delivery.original:
            self.give_up(position, delivery.original, reason=reason, attempts=attempts)
        else:
            self.try_again([position], Undecided(reason))

    def give_up(self, position: int, original: Original, *, reason: str, attempts: int) -> None:
        """This method will make a message a dead letter, and tell its caller."""
        delivery, key = self.deliveries[position], self.keys[position]
        try:
            give_up(key=key, task=self.task.name, original=original, reason=reason, attempts=attempts)
        except INFRASTRUCTURE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - what cannot be kept must not be gone, and it is not the others' fault
            unkept = f"it could not be kept: {reason_without_values(error)}"
            logger.error("Task %s[%s] is given up, but %s", self.task.name, delivery.id, unkept)  # noqa: TRY400 - it may show what was sent
            self.poison_search.clear({position})
            self.try_again([position], Undecided(unkept))
            return
        said = f"given up after {attempts} attempts ({reason}): it is kept, see `scrip dead-letters show {delivery.id}`"
        _store.store(self.task.backend, [self.fail(position, raised(GivenUp(said)))])

    def fail(self, position: int, error: Exception) -> TaskResult:
        """This method will end a message as Celery ends a task that has failed, and return what to store."""
        delivery = self.deliveries[position]
        hidden = {"argsrepr": "(…)", "kwargsrepr": "{…}", "hostname": "", "delivery_info": {}}
        context = Context(id=delivery.id, args=(), kwargs={}, headers={}, **hidden)
        record = TraceInfo(states.FAILURE, error).handle_failure(self.task, context, store_errors=False)
        self.outcomes[position] = Outcome(Fate.FAILED, error=record)
        return TaskResult(delivery, states.FAILURE, error, record.traceback)

    def try_again(self, positions: Sequence[int], error: Exception) -> None:
        """This method will leave messages to be sent again, however often that was done: the servers come back."""
        outcome = Outcome(Fate.TRY_AGAIN, error=get_pickleable_exception(error))
        self.outcomes.update(dict.fromkeys(positions, outcome))
        answers = [TaskResult(self.deliveries[position], states.RETRY, outcome.error) for position in positions]
        _store.store(self.task.backend, answers)

    def try_again_what_is_left(self, error: Exception) -> None:
        """This method will leave to be sent again what has no outcome yet."""
        self.try_again([each for each in range(len(self.deliveries)) if each not in self.outcomes], error)


def raised(error: GivenUp) -> GivenUp:
    """This function will return the error with a traceback, without which Celery makes no record of it."""
    with suppress(GivenUp):
        raise error from None
    return error
