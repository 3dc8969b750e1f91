"""The queues, and the queue of each task by the prefix of its name."""

from kombu import Exchange, Queue

from worker.broker.senders_queue import SendersQueue

QUEUES = ("redemptions", "billing", "admin", "sweeps")
DEFAULT_QUEUE = "admin"
# By the part of a task's name before the first dot. All other tasks go to the default queue.
QUEUE_BY_PREFIX = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps", "audit": "sweeps"}
# Celery's own default: the queue of a message whose sender names none. Any task may come by it.
UNNAMED_QUEUE = "celery"
# The tasks that Celery registers in each app. No worker of ours runs them.
CELERYS_PREFIX = "celery"

# A quorum queue drops a message after more redeliveries than this. RabbitMQ 4 would drop it after 20 already, and only
# RabbitMQ 4 can be told never to. Scrip itself gives up messages, which are kept as dead letters.
DELIVERY_LIMIT = 1_000_000_000
# RabbitMQ delivers a message that has waited through an exchange of topics only, by the last word of its routing key.
EXCHANGE = Exchange("scrip", type="topic")


def queue_of(task: str) -> str:
    """Return the queue of the task of that name."""
    return QUEUE_BY_PREFIX.get(task.partition(".")[0], DEFAULT_QUEUE)


def is_wrong(queue: str, *, task: str) -> bool:
    """Return whether a queue is that of other tasks. A queue that is not Scrip's is not wrong."""
    return queue in QUEUES and queue != queue_of(task)


def is_celerys(task: str) -> bool:
    """Return whether a task is Celery's own, such as `celery.map` and `celery.chord_unlock`."""
    return task.partition(".")[0] == CELERYS_PREFIX


def routes() -> dict[str, dict[str, str]]:
    """Return Celery's routes of the tasks that do not go to the default queue."""
    return {f"{prefix}.*": {"queue": queue} for prefix, queue in QUEUE_BY_PREFIX.items()}


def queues(*, broker_url: str) -> tuple[Queue, ...]:
    """Declare the four queues, and Celery's own default.

    On RabbitMQ the four are quorum queues, which survive the loss of a node. Celery's default is what its clients
    declare: another declaration would be an error at each of them.
    """
    if not broker_url.startswith("amqp"):
        return tuple(Queue(name, routing_key=name) for name in (*QUEUES, UNNAMED_QUEUE))
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERY_LIMIT}
    own = (Queue(name, EXCHANGE, routing_key=name, queue_arguments=arguments) for name in QUEUES)
    unnamed: Queue = SendersQueue(UNNAMED_QUEUE, EXCHANGE, routing_key=UNNAMED_QUEUE)  # type: ignore[no-untyped-call]
    return (*own, unnamed)
