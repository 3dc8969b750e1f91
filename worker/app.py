"""The Celery app: every setting that matters, with its reason. `tasks.celery` adds the tasks to it."""

from typing import Any

from celery import Celery
from kombu import Queue

import worker.garbage_collection  # noqa: F401 - it listens for the fork
from worker.broker.transport import consuming_url, register
from worker.intake.consumer import Consumer
from worker.schedule import BEAT_SCHEDULE
from worker.settings import settings

QUEUES = ("redemptions", "billing", "admin", "sweeps")
# Overdue messages are looked for this often.
RESTORE_SECONDS = 10


def broker_read_url() -> str:
    """This function will return the URL by which workers read: on a Redis, through our own transport."""
    values = settings()
    return consuming_url(values.broker_url) if values.broker_transport == "scrip" else values.broker_url


def queues(*, broker_url: str) -> tuple[Queue, ...]:
    """This function will declare the four queues, on RabbitMQ as quorum queues so that a lost node loses nothing."""
    arguments = {"x-queue-type": "quorum"} if broker_url.startswith("amqp") else None
    return tuple(Queue(name, routing_key=name, queue_arguments=arguments) for name in QUEUES)


def configuration() -> dict[str, Any]:
    """This function will return Celery's configuration. It is called at first use: an import needs no environment."""
    values = settings()
    return {
        "broker_url": values.broker_url,
        # Only workers read. Whoever sends uses kombu's own transport, and so does Flower, which goes by the scheme.
        "broker_read_url": broker_read_url(),
        "result_backend": values.result_backend_url,
        # Any client in any language can send and read JSON, and nothing in a message can run code.
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        # A misspelt queue is an error at the sender, not a queue that nobody reads.
        "task_queues": queues(broker_url=values.broker_url),
        "task_default_queue": "admin",
        "task_create_missing_queues": False,
        "task_routes": {
            "redemptions.*": {"queue": "redemptions"},
            "billing.*": {"queue": "billing"},
            "expiry.*": {"queue": "sweeps"},
            "gigs.*": {"queue": "admin"},
            "polar.*": {"queue": "admin"},
            "dintero.*": {"queue": "admin"},
            "stripe.*": {"queue": "admin"},
        },
        # A message is gone only when its effect is committed. Running it twice has one effect.
        "task_acks_late": True,
        # A killed child's message is sent again with a count of its attempts; rejecting it would loop for ever.
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        # Answers are for callers that wait; the database keeps them for ever.
        "result_expires": 86_400,
        # Flower shows each task from the moment that a worker has it. The event of its being sent would carry the
        # whole request: only a worker's events show ids alone.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "worker_concurrency": values.worker_concurrency,
        # Celery's own stops at a message that is no task, and the message then stops the next worker.
        "worker_consumer": Consumer,
        "broker_connection_retry_on_startup": True,
        # Redelivery is checked every 10 s (kombu's own throttle makes it 100 s), with one timeout everywhere.
        "broker_transport_options": {
            "visibility_timeout": values.visibility_timeout_seconds,
            "unacked_restore_throttle": 1,
            "unacked_restore_interval": (interval := min(RESTORE_SECONDS, values.visibility_timeout_seconds)),
            # A worker that is killed while it restores holds the others up for so long (in kombu's own way, 300 s).
            "unacked_mutex_expire": interval,
        },
        "result_backend_transport_options": {"visibility_timeout": values.visibility_timeout_seconds},
        "timezone": "UTC",
        "beat_schedule": BEAT_SCHEDULE,
        "beat_schedule_filename": values.beat_schedule_file,
    }


register()
app = Celery("scrip")
app.add_defaults(configuration)
