"""The answer to a request that was decided although its process died, or lost its connection, each time.

Before such a message is given up, it is decided once more without writing. If nothing would have to be written, its
answer is known: the effect is committed, or there is none.
"""

from typing import Any

from celery import Task

from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.parsing import argument_of, parse
from worker.database import WouldWriteError, run_in_transaction, writing_nothing
from worker.intake.current_message import deciding
from worker.intake.delivery import Delivery


def known_answer(task: Task, delivery: Delivery) -> Answer | None:
    """Return the answer to a request if it can be told without writing, or None. Raises the driver's error."""
    decision = task.decision
    try:
        request: Any = parse(decision.message, argument_of(delivery.args, delivery.kwargs))
        with writing_nothing():
            if decision.decide_together:
                (answer,) = run_in_transaction(lambda session: decision.decide_together(session, [request]))
            else:
                with deciding(delivery):
                    answer = decision.use_case(request)
    except (WouldWriteError, InvalidRequest, NotFound):
        return None
    found: Answer = answer
    return found
