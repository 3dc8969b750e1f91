"""The answer to a request that was decided although its process died, or lost its connection, each time.

Before such a message is given up, it is decided once more without writing. If nothing would have to be written, its
answer is known: the effect is committed, or there is none.
"""

from typing import Any

from celery import Task

from tasks.wire.answers import Answer
from tasks.wire.errors import INFRASTRUCTURE_FAULTS, InvalidRequest, NotFound
from tasks.wire.parsing import argument_of, parse
from worker.database import WouldWriteError, run_in_transaction, writing_nothing
from worker.intake.current_message import deciding
from worker.intake.delivery import Delivery


def known_answer(task: Task, delivery: Delivery) -> Answer | None:
    """Return the answer to a request if it can be told without writing, or None. Raises the driver's error."""
    try:
        request: Any = parse(task.decision.message, argument_of(delivery.args, delivery.kwargs))
        with writing_nothing():
            return _answer_alone(task, request, delivery)
    except (WouldWriteError, InvalidRequest, NotFound):
        return None


def _answer_alone(task: Task, request: Any, delivery: Delivery) -> Answer:
    decision, answers = task.decision, list[Answer]()
    if not decision.decide_together:
        with deciding(delivery):
            answer: Answer = decision.use_case(request)
            return answer
    try:
        run_in_transaction(lambda session: answers.extend(decision.decide_together(session, [request])))
    except INFRASTRUCTURE_FAULTS:
        # The end of a transaction that has changed nothing does not matter.
        if not answers:
            raise
    return answers[0]
