"""Decide a batch of messages in a child, in one transaction.

If a batch fails because of its data, it is halved until the message at fault is alone. If the child died, the batch
runs again in ever smaller groups (`tasks.intake.poison_messages`). A message that fails alone in three attempts becomes
a dead letter, and the caller gets the error `GivenUp`. After a fault of the servers, all undecided messages are tried
again, and no attempt alone is counted.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic

from celery import Task
from celery.utils.log import get_logger
from sqlalchemy.orm import Session

from domain.value_class import value
from tasks.intake.ended_messages import EndedMessages, raised
from tasks.intake.known_answer import known_answer
from tasks.intake.poison_messages import PoisonSearch
from tasks.wire.answers import Answer
from tasks.wire.dead_letters import give_up, message_key, reason_without_values
from tasks.wire.errors import (
    INFRASTRUCTURE_FAULTS,
    InvalidRequest,
    NotFound,
    Undecided,
    WrongQueue,
    require_right_queue,
    require_valid_options,
)
from tasks.wire.message import Message
from tasks.wire.parsing import Request, argument_of, parse
from worker.database import run_in_transaction
from worker.intake.current_message import deciding
from worker.intake.delivery import ENDS_CONNECTIONS, Delivery, GivenUp, Original, Outcome
from worker.schedule import PERIODIC

logger = get_logger(__name__)

# Attempts at a message alone before it becomes a dead letter.
ALONE_MAX = 3
# The same if nothing is known but that the worker or its connections were lost, which has other causes too: workers
# are stopped and killed, and networks fail several times in a row.
ALONE_IN_LOSSES_MAX = 10
# Before a message is given up, its answer is looked for: once, or so often if the look loses its connection again.
LOOKS_MAX = 3
# The deaths that do not say that a message was the cause. Nothing is known of a worker that was lost.
LOSSES = ("", ENDS_CONNECTIONS)


@value
class Decision(Generic[Request]):
    """How a task decides: the class of its requests, and its use case for one request.

    `decide_together` decides many requests in a transaction and returns the answers in order, if the task can do that.
    """

    message: type[Request]
    use_case: Callable[[Request], Any]
    decide_together: Callable[[Session, Sequence[Request]], list[Answer]] | None = None


def decide_batch(task: Task, deliveries: Sequence[Delivery], child_death: str) -> list[Outcome]:
    """Decide the messages of a task and return the outcome of each, in their order.

    `child_death` says how the batch's previous child ended, and is empty if there was none.
    """
    batch = BatchInChild(task, deliveries, child_death=child_death)
    try:
        batch.decide_all()
    except INFRASTRUCTURE_FAULTS as error:
        batch.try_undecided_again(error)
    return [batch.outcomes[position] for position in range(len(deliveries))]


class BatchInChild(EndedMessages):
    """A batch of messages and their outcomes, by position.

    Decides the batch, halves it if it fails, and gives up a message that fails alone too often.
    """

    def __init__(self, task: Task, deliveries: Sequence[Delivery], *, child_death: str) -> None:
        super().__init__(task, deliveries)
        self.child_death = child_death
        # The recorded attempts alone of each suspect that runs alone, the current attempt included.
        self.attempts_alone: dict[int, int] = {}
        self.keys = [message_key(each.kwargs, task_id=each.id) for each in deliveries]
        self.poison_search = PoisonSearch(self.keys)

    def decide_all(self) -> None:
        """Decide all messages: first those that are no suspects, so that no suspect can prevent that.

        A message without the signature that it needs is refused first. So it never becomes a dead letter, which an
        operator would send again.
        """
        self.refuse_unproven()
        self.poison_search.look_up(self.deliveries, is_child_lost=bool(self.child_death), ended=self.outcomes)
        proven = [position for position in range(len(self.deliveries)) if position not in self.outcomes]
        self.decide([position for position in proven if position not in self.poison_search.suspects])
        for group in self.poison_search.groups():
            if len(group) == 1:
                self.decide_alone(group[0])
            else:
                self.poison_search.note_together(group)
                self.decide(group)

    def decide_alone(self, position: int) -> None:
        """Decide a message that may kill this process, or give it up if all attempts are used up."""
        attempts = self.poison_search.note_alone(position)
        original = self.deliveries[position].original
        attempts_max = ALONE_IN_LOSSES_MAX if self.child_death in LOSSES else ALONE_MAX
        if attempts > attempts_max and original:
            looks_max = LOOKS_MAX if self.child_death == ENDS_CONNECTIONS else 1
            if attempts <= attempts_max + looks_max and self.is_answer_known(position):
                return
            self.give_up(position, original, reason=self.child_death or "its worker was lost", attempts=attempts_max)
            return
        self.attempts_alone[position] = attempts
        try:
            self.decide([position])
        except INFRASTRUCTURE_FAULTS:
            if self.child_death == ENDS_CONNECTIONS:
                raise
            # The message was not the cause.
            with suppress(*INFRASTRUCTURE_FAULTS):
                self.poison_search.take_back_alone(position)
            raise

    def is_answer_known(self, position: int) -> bool:
        """Return whether a message has an answer although each attempt has failed, and end the message with that."""
        started = time.monotonic()
        answer = known_answer(self.task, self.deliveries[position])
        if answer is None:
            return False
        self.succeed({position: answer}, seconds=time.monotonic() - started)
        with suppress(*INFRASTRUCTURE_FAULTS):
            self.poison_search.clear({position})
        return True

    def decide(self, positions: Sequence[int]) -> None:
        """Decide the messages in one transaction, or in halves if that fails."""
        started = time.monotonic()
        requests = self.parse(positions)
        if not requests:
            return
        try:
            answers = self.answers_to(requests)
        except INFRASTRUCTURE_FAULTS:
            raise
        except (InvalidRequest, NotFound) as error:
            # Only the use case for a single request raises these.
            self.fail_for_good(dict.fromkeys(requests, error))
            return
        except Exception as error:  # noqa: BLE001 - whatever one message raises, the others are decided
            fault = error
        else:
            self.succeed(dict(zip(requests, answers, strict=True)), seconds=time.monotonic() - started)
            return
        # Outside the `except` block: later errors would otherwise show this error and the values in its text.
        self.decide_in_halves(list(requests), fault)

    def parse(self, positions: Sequence[int]) -> dict[int, Message]:
        """Return the requests by position, and fail the messages in a wrong queue or without a valid request."""
        requests: dict[int, Message] = {}
        invalid: dict[int, Exception] = {}
        unreadable: dict[int, Exception] = {}
        for position in positions:
            delivery = self.deliveries[position]
            try:
                require_valid_options(delivery.invalid_option)
                require_right_queue(self.task.name, came_by_wrong=delivery.wrong_queue)
                requests[position] = parse(self.task.decision.message, argument_of(delivery.args, delivery.kwargs))
            except (InvalidRequest, WrongQueue) as error:
                invalid[position] = error
            except Exception as error:  # noqa: BLE001 - whatever one message raises, the others are decided
                unreadable[position] = error
        if invalid:
            self.fail_for_good(invalid)
        for position, fault in unreadable.items():
            self.fail_alone(position, fault)
        return requests

    def fail_for_good(self, errors: Mapping[int, Exception]) -> None:
        """Fail messages by the fault of their senders, such as an invalid request."""
        self.poison_search.clear(errors.keys() & self.poison_search.suspects.keys())
        self.store({position: self.fail(position, error) for position, error in errors.items()})

    def answers_to(self, requests: Mapping[int, Message]) -> list[Answer]:
        """Return the answers to the requests, which are committed then."""
        if self.task.decision.decide_together:
            return run_in_transaction(lambda session: self.decide_in(session, requests))
        # A message of such a task runs by itself.
        ((position, request),) = requests.items()
        with deciding(self.deliveries[position]):
            answer: Answer = self.task.decision.use_case(request)
        self.poison_search.clear(requests.keys() & self.poison_search.suspects.keys())
        return [answer]

    def decide_in(self, session: Session, requests: Mapping[int, Message]) -> list[Answer]:
        """Return the answers to the requests; once this is committed, none of their messages is a suspect."""
        answers: list[Answer] = self.task.decision.decide_together(session, list(requests.values()))
        self.poison_search.clear_suspects(session, positions=requests)
        return answers

    def decide_in_halves(self, positions: Sequence[int], error: Exception) -> None:
        """Decide each half of the messages, which failed together with the error; a single message failed alone."""
        if len(positions) == 1:
            self.fail_alone(positions[0], error)
            return
        middle = len(positions) // 2
        self.decide(positions[:middle])
        self.decide(positions[middle:])

    def fail_alone(self, position: int, error: Exception) -> None:
        """Have a message tried again, or give it up after its last attempt."""
        attempts = self.attempts_alone.get(position) or self.poison_search.note_alone(position)
        reason, delivery = reason_without_values(error), self.deliveries[position]
        logger.error(
            "Task %s[%s] failed alone, attempt %d of %d: %s", self.task.name, delivery.id, attempts, ALONE_MAX, reason
        )
        # A first delivery is not given up: the earlier attempts were made at another message with the same id.
        if attempts >= ALONE_MAX and delivery.original:
            self.give_up(position, delivery.original, reason=reason, attempts=attempts)
        else:
            self.try_again([position], Undecided(reason))

    def give_up(self, position: int, original: Original, *, reason: str, attempts: int) -> None:
        """Make a message a dead letter, and fail the task with GivenUp."""
        delivery, key = self.deliveries[position], self.keys[position]
        if self.task.name in PERIODIC:
            # It started a sweep or an audit, and beat will start the next one.
            self.fail_for_good({position: raised(Undecided(reason))})
            return
        try:
            give_up(key=key, task=self.task.name, original=original, reason=reason, attempts=attempts)
        except INFRASTRUCTURE_FAULTS:
            raise
        except Exception as error:  # noqa: BLE001 - a message that cannot be stored must not be lost, nor stop the others
            unkept = f"it could not be kept: {reason_without_values(error)}"
            logger.error("Task %s[%s] is given up, but %s", self.task.name, delivery.id, unkept)  # noqa: TRY400 - a traceback may show values
            self.poison_search.clear({position})
            self.try_again([position], Undecided(unkept))
            return
        message = (
            f"given up after {attempts} attempts ({reason}): it is kept, see `scrip dead-letters show {delivery.id}`"
        )
        self.store({position: self.fail(position, raised(GivenUp(message)))})
