"""Beat leaves a trace of each task that it sends, so that an operator sees when it no longer does."""

from typing import Any

from celery.signals import after_task_publish, beat_init
from celery.utils.log import get_logger
from sqlalchemy.exc import SQLAlchemyError

from models.monitoring.beat_tick import note_tick
from tasks.wire.dead_letters import reason_without_values
from worker.database import transaction

logger = get_logger(__name__)


@beat_init.connect(weak=False)
def note_ticks(**_: Any) -> None:
    """Note a tick whenever this process, which is beat, has sent a task from now on."""
    after_task_publish.connect(store_tick, weak=False)


def store_tick(**_: Any) -> None:
    """Store a tick. If the database is away, beat goes on without: the broker has the task already."""
    try:
        with transaction() as session:
            note_tick(session)
    except SQLAlchemyError as error:
        logger.warning("the tick could not be stored: %s", reason_without_values(error))
