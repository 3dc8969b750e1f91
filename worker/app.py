"""The Celery app and its configuration, with a reason for every setting. `tasks.celery` registers the tasks."""

from typing import Any

from celery import Celery

import worker.broker.server_check
import worker.database_check
import worker.garbage_collection  # noqa: F401 - connects a signal handler
from worker import connections
from worker.beat_scheduler import Scheduler
from worker.broker import decompression, rabbitmq_transport, redis_transport
from worker.fault_points import watch_publishing
from worker.intake.consumer import Consumer
from worker.logs.beginning import Beat
from worker.queues import DEFAULT_QUEUE, queues, routes
from worker.schedule import BEAT_SCHEDULE
from worker.settings import settings

# RabbitMQ closes the connection of a worker that was silent for twice this time, and redelivers its messages. A worker
# does the same if RabbitMQ is silent.
HEARTBEAT_SECONDS = 10


def broker_read_url() -> str:
    """Return the URL from which workers fetch messages: on Redis and Valkey, a URL of our own transport."""
    values = settings()
    return redis_transport.consuming_url(values.broker_url) if values.broker_transport == "scrip" else values.broker_url


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
        # kombu would read these options from a URL `rediss://` too, but Flower reads them only from here.
        "broker_use_ssl": connections.broker_tls(values),
        "broker_transport_options": connections.broker_options(values),
        # A worker never gives up connecting: nobody would restart it. Celery gives up after 100 attempts.
        "broker_connection_max_retries": None,
        "broker_connection_retry_on_startup": True,
        # A full broker answers a fetch with an error. The worker connects again until there is room, as after the loss
        # of a connection. By default it would end.
        "broker_channel_error_retry": True,
        "broker_connection_timeout": connections.BROKER_SECONDS_MAX,
        "broker_heartbeat": HEARTBEAT_SECONDS,
        "result_backend": values.result_backend_url,
        "redis_backend_use_ssl": connections.result_tls(values),
        "result_backend_transport_options": connections.result_options(values),
        # By default Celery waits without end for a connection, and two minutes for each reply.
        "redis_socket_connect_timeout": connections.RESULT_SECONDS_MAX,
        "redis_socket_timeout": connections.RESULT_SECONDS_MAX,
        # Only the caller knows how long it may wait, so redis-py does not repeat a command.
        "redis_retry_on_timeout": False,
        # An idle connection stays open through a firewall, and a dead one is found before the next answer is stored.
        "redis_socket_keepalive": True,
        # A database of results that is down at the first answer raises no error before the answer is stored.
        "database_create_tables_at_setup": False,
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
        # For a child that runs messages by Celery alone: it publishes the message of a killed child again with a retry
        # count. A rejected message would have no count, and could be redelivered for ever.
        "task_retry_on_worker_lost": True,
        "task_reject_on_worker_lost": False,
        # The result store serves callers that wait for the answer. The database keeps the answers for ever.
        "result_expires": values.result_expires_seconds,
        # A worker's events show only ids, and Flower lists a task when a worker receives it. A task-sent event would
        # contain the whole request.
        "worker_send_task_events": True,
        "task_send_sent_event": False,
        "worker_concurrency": values.worker_concurrency,
        # Celery itself would run the messages that a rate limit holds back, and their leases would end.
        "worker_disable_rate_limits": True,
        # Celery's own consumer stops at a message that is not a task. Redelivered, the message would stop every worker.
        "worker_consumer": Consumer,
        "timezone": "UTC",
        "beat_schedule": BEAT_SCHEDULE,
        # Celery's own would send `celery.backend_cleanup`, which no worker runs.
        "beat_scheduler": Scheduler,
        "beat_schedule_filename": values.beat_schedule_file,
    }


redis_transport.register()
rabbitmq_transport.register()


class App(Celery):
    """Celery's app, whose result store keeps no traceback: whoever sent the message would read it.

    Celery stores one itself where children are not processes.
    """

    def _get_backend(self) -> Any:
        backend = super()._get_backend()
        store = backend.store_result

        def store_without_traceback(
            task_id: str, result: Any, state: str, traceback: Any = None, request: Any = None, **options: Any
        ) -> Any:
            del traceback
            return store(task_id, result, state, request=request, **options)

        backend.store_result = store_without_traceback
        return backend


decompression.register()
watch_publishing()
app = App("scrip")
app.Beat = app.subclass_with_self(Beat)
app.add_defaults(configuration)
