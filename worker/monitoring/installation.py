"""Flower's own parts replaced by ours, before it starts."""

from typing import Any

from flower import events, views

from worker.monitoring.closed_routes import close_routes
from worker.monitoring.queue_lengths import broker_of
from worker.monitoring.task_memory import EventsState


def install() -> None:
    """Have Flower use our memory of tasks, our lengths of queues and all of our queues, and close its other routes."""
    events.EventsState = EventsState
    views.Broker = broker_of
    views.BaseHandler.get_active_queue_names = queue_names
    close_routes()


def queue_names(handler: Any) -> list[str]:
    """Return the names of our queues, and of all others from which a worker is known to read.

    Flower shows only the queues of the workers that it has asked. If it started before the workers, it has asked only
    those whose pages somebody has opened.
    """
    declared = {queue.name for queue in handler.capp.conf.task_queues}
    read = {
        queue["name"] for worker in handler.application.workers.values() for queue in worker.get("active_queues", [])
    }
    return sorted(declared | read)
