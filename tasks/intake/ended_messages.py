"""How the messages of a batch end in a child: their outcomes for the worker, and their answers in the result store."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from celery import Task, current_app, states
from celery.app.task import Context
from celery.app.trace import LOG_SUCCESS, TraceInfo
from celery.signals import worker_process_shutdown
from celery.utils.log import get_logger
from celery.utils.serialization import get_pickleable_exception

from tasks.wire.answers import Answer
from tasks.wire.errors import Undecided
from worker.database_faults import are_servers_away, is_connection_lost
from worker.intake.delivery import Delivery, Fate, Outcome
from worker.intake.followers import end_with_followers
from worker.intake.proof import failure_by, signers_in_force
from worker.intake.result_store import ResultStore
from worker.intake.results import TaskResult
from worker.signing.verification import not_allowed

# The logger in which Celery's children report the end of each task.
trace_logger = get_logger("celery.app.trace")

_store = ResultStore()
Raised = TypeVar("Raised", bound=Exception)


@worker_process_shutdown.connect
def store_last_answers(**_: object) -> None:
    """Store the answers that wait for the result store, before this child ends."""
    _store.end(current_app.backend)


class EndedMessages:
    """The messages of a batch, and the outcomes of those that have ended, by position."""

    def __init__(self, task: Task, deliveries: Sequence[Delivery]) -> None:
        self.task = task
        self.deliveries = deliveries
        self.outcomes: dict[int, Outcome] = {}

    def succeed(self, answers: Mapping[int, Answer], *, seconds: float) -> None:
        """Store the answers that are now committed."""
        shown = {position: self.task.shown_answer(answer) for position, answer in answers.items()}
        # Pickle writes an outcome of many messages once.
        outcomes = {each: Outcome(Fate.SUCCEEDED, seconds, shown=each) for each in set(shown.values())}
        self.outcomes.update({position: outcomes[each] for position, each in shown.items()})
        self.store(
            {
                position: TaskResult(self.deliveries[position], states.SUCCESS, answer)
                for position, answer in answers.items()
            }
        )
        self.log_success(shown, seconds=seconds)

    def store(self, results: Mapping[int, TaskResult]) -> None:
        """Store final results. The messages whose followers cannot be sent now are tried again."""
        _store.store(self.task.backend, [each for each in results.values() if not each.delivery.followers])
        for position, result in results.items():
            if result.delivery.followers and not end_with_followers(self.task, result):
                self.try_again([position], Undecided("the tasks that follow could not be sent"))

    def log_success(self, shown: Mapping[int, str], *, seconds: float) -> None:
        """Log of each message what Celery logs of a task, with what is shown of the answer."""
        if not trace_logger.isEnabledFor(logging.DEBUG):
            return
        for position, return_value in shown.items():
            values = {
                "name": self.task.name,
                "id": self.deliveries[position].id,
                "runtime": seconds,
                "return_value": return_value,
            }
            trace_logger.debug(LOG_SUCCESS, values)

    def fail(self, position: int, error: Exception) -> TaskResult:
        """End a message as Celery ends a task that has failed, and return the result to store."""
        delivery = self.deliveries[position]
        hidden = {"argsrepr": "(…)", "kwargsrepr": "{…}", "hostname": "", "delivery_info": {}}
        context = Context(id=delivery.id, args=(), kwargs={}, headers={}, **hidden)
        record = TraceInfo(states.FAILURE, error).handle_failure(self.task, context, store_errors=False)
        self.outcomes[position] = Outcome(Fate.FAILED, error=record)
        return TaskResult(delivery, states.FAILURE, error)

    def refuse_unproven(self) -> None:
        """Fail the messages that are not signed by a key which may send them, if messages must be signed."""
        refused: dict[int, TaskResult] = {}
        signers = signers_in_force()
        for position, each in enumerate(self.deliveries):
            failure = None if each.claim is None else failure_by(each.claim, kwargs=each.kwargs, signers=signers)
            if failure is not None:
                failed = self.fail(position, raised(not_allowed(self.task.name, failure)))
                # It may have any id, and name any project: its failure replaces no project's result.
                refused[position] = failed._replace(delivery=each._replace(kwargs=None))
                self.outcomes[position] = self.outcomes[position]._replace(shown=failure.value)
        self.store(refused)

    def try_again(self, positions: Sequence[int], error: Exception) -> None:
        """Have messages tried again after a pause. There is no limit, because a lock may be held for long."""
        outcome = Outcome(Fate.TRY_AGAIN, error=get_pickleable_exception(error))
        self.outcomes.update(dict.fromkeys(positions, outcome))
        answers = [TaskResult(self.deliveries[position], states.RETRY, outcome.error) for position in positions]
        _store.store(self.task.backend, answers)

    def try_undecided_again(self, error: Exception) -> None:
        """Have all messages without an outcome tried again, after a pause or when the servers are back."""
        undecided = [each for each in range(len(self.deliveries)) if each not in self.outcomes]
        if are_servers_away(error):
            fate = Fate.AWAIT_CONNECTION if is_connection_lost(error) else Fate.AWAIT_SERVERS
            outcome = Outcome(fate, error=get_pickleable_exception(error))
            self.outcomes.update(dict.fromkeys(undecided, outcome))
        else:
            self.try_again(undecided, error)


def raised(error: Raised) -> Raised:
    """Return the error with a traceback, because Celery records no error without a traceback."""
    with suppress(type(error)):
        raise error from None
    return error
