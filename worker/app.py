"""The Celery app and its configuration, with a reason for every setting. `tasks.celery` registers the tasks."""

from typing import Any

from celery import Celery

import worker.garbage_collection  # noqa: F401 - connects a signal handler
from worker.broker.transport import consuming_url, register
from worker.intake.consumer import Consumer
from worker.queues import DEFAULT_QUEUE, queues, routes
from worker.schedule import BEAT_SCHEDULE
from worker.settings import settings

# Workers look for messages whose leases are over this often: a postponed message is that late at most.
RESTORE_SECONDS = 1


def broker_read_url() -> str:
    """Return the URL from which workers fetch messages: on Redis and Valkey, a URL of our own transport."""
    values = settings()
    return consuming_url(values.broker_url) if values.broker_transport == "scrip" else values.broker_url


def configuration() -> dict[str, Any]:
    """Return Celery's configuration.

    Celery calls this at the first use of the app, so importing the module needs no environment variables. The function
    is one long dict, since a division would hide a setting rather than explain it.
    """
    values = settings()
    return {
        "broker_url": values.broker_url,
        # Only workers use our transport. Senders and Flower use kombu's own: Flower does not know our URL schemes.
        "broker_read_url": broker_read_url(),
        "result_backend": values.result_backend_url,
        # Clients in any language can write and read JSON, and decoding JSON cannot execute code.
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        # A misspelt queue name raises an error at the sender. Otherwise Celery would create a queue that nobody reads.
        "task_queues": queues(broker_url=values.broker_url),
        "task_default_queue": DEFAULT_QUEUE,
        "task_create_missing_queues": False,
        "task_routes": routes(),
        # A message is acknowledged after its effect is committed. Running a message twice has one effect.
        "task_acks_late": True,
        # If a child is killed, Celery publishes its message again with a retry count. A rejected message would have no
        # count, and could be redelivered for ever.
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        # The result store serves callers that wait for the answer. The database keeps the answers for ever.
        "result_expires": 86_400,
        # A worker's events show only ids, and Flower lists a task when a worker receives it. A task-sent event would
        # contain the whole request.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "worker_concurrency": values.worker_concurrency,
        # Celery's own consumer stops at a message that is not a task. Redelivered, the message would stop every worker.
        "worker_consumer": Consumer,
        "broker_connection_retry_on_startup": True,
        # kombu looks for messages to redeliver every `interval` times `throttle` seconds. Its default is 100 s.
        "broker_transport_options": {
            "visibility_timeout": values.visibility_timeout_seconds,
            "unacked_restore_throttle": 1,
            "unacked_restore_interval": RESTORE_SECONDS,
        },
        "result_backend_transport_options": {"visibility_timeout": values.visibility_timeout_seconds},
        "timezone": "UTC",
        "beat_schedule": BEAT_SCHEDULE,
        "beat_schedule_filename": values.beat_schedule_file,
    }


register()
app = Celery("scrip")
app.add_defaults(configuration)
