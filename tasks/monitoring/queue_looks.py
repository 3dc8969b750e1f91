"""Beat looks at the queues every minute, so that `scrip status` can tell how long the oldest message has waited."""

from typing import Any

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from celery.signals import after_task_publish, beat_init
from celery.utils.log import get_logger
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from worker.connections import is_amqp
from worker.monitoring.kept_queue_ages import KeptQueueAges
from worker.monitoring.queue_figures import BrokerReader
from worker.settings import settings

logger = get_logger(__name__)


@beat_init.connect(weak=False)
def look_at_queues(**_: Any) -> None:
    """Look at the queues whenever this process, which is beat, has sent a task from now on."""
    # RabbitMQ tells no message's place in its queue.
    if not is_amqp(settings()):
        after_task_publish.connect(look, weak=False)


def look(**_: Any) -> None:
    """Look at the queues. If the broker is away, beat goes on without."""
    try:
        BrokerReader(KeptQueueAges()).read()
    except (AMQPError, KombuError, RedisError, OSError) as error:
        logger.warning("the queues could not be looked at: %s", type(error).__name__)
