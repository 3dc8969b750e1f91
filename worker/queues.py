"""The queues, and the queue of each task by the prefix of its name."""

from kombu import Queue

QUEUES = ("redemptions", "billing", "admin", "sweeps")
DEFAULT_QUEUE = "admin"
# By the part of a task's name before the first dot. All other tasks go to the default queue.
QUEUE_BY_PREFIX = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps"}

# A quorum queue drops a message after more redeliveries than this. RabbitMQ 4 would drop it after 20 already, and only
# RabbitMQ 4 can be told never to. Scrip itself gives up messages, which are kept as dead letters.
DELIVERY_LIMIT = 1_000_000_000


def queue_of(task: str) -> str:
    """Return the queue of the task of that name."""
    return QUEUE_BY_PREFIX.get(task.partition(".")[0], DEFAULT_QUEUE)


def routes() -> dict[str, dict[str, str]]:
    """Return Celery's routes of the tasks that do not go to the default queue."""
    return {f"{prefix}.*": {"queue": queue} for prefix, queue in QUEUE_BY_PREFIX.items()}


def queues(*, broker_url: str) -> tuple[Queue, ...]:
    """Declare the four queues. On RabbitMQ they are quorum queues, which survive the loss of a node."""
    quorum = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    arguments = quorum if broker_url.startswith("amqp") else None
    return tuple(Queue(name, routing_key=name, queue_arguments=arguments) for name in QUEUES)
