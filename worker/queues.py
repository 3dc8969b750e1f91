"""The queues, and the queue of each task by the prefix of its name."""

from kombu import Exchange, Queue

QUEUES = ("redemptions", "billing", "admin", "sweeps")
DEFAULT_QUEUE = "admin"
# By the part of a task's name before the first dot. All other tasks go to the default queue.
QUEUE_BY_PREFIX = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps"}

# A quorum queue drops a message after more redeliveries than this. RabbitMQ 4 would drop it after 20 already, and only
# RabbitMQ 4 can be told never to. Scrip itself gives up messages, which are kept as dead letters.
DELIVERY_LIMIT = 1_000_000_000
# RabbitMQ delivers a message that has waited through an exchange of topics only, by the last word of its routing key.
EXCHANGE = Exchange("scrip", type="topic")


def queue_of(task: str) -> str:
    """Return the queue of the task of that name."""
    return QUEUE_BY_PREFIX.get(task.partition(".")[0], DEFAULT_QUEUE)


def queue_from(routing_key: str, *, task: str) -> str:
    """Return the queue from which a message with that routing key came, or else the queue of its task.

    On RabbitMQ, a message that has waited has a longer key, and a sender may use an exchange and keys of its own.
    """
    queue = routing_key.rpartition(".")[-1]
    return queue if queue in QUEUES else queue_of(task)


def routes() -> dict[str, dict[str, str]]:
    """Return Celery's routes of the tasks that do not go to the default queue."""
    return {f"{prefix}.*": {"queue": queue} for prefix, queue in QUEUE_BY_PREFIX.items()}


def queues(*, broker_url: str) -> tuple[Queue, ...]:
    """Declare the four queues. On RabbitMQ they are quorum queues, which survive the loss of a node."""
    if not broker_url.startswith("amqp"):
        return tuple(Queue(name, routing_key=name) for name in QUEUES)
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    return tuple(Queue(name, EXCHANGE, routing_key=name, queue_arguments=arguments) for name in QUEUES)
