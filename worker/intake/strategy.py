"""What Celery calls with each message of a task: its own strategy, which hands the messages to the task's gatherer."""

from collections.abc import Callable
from typing import Any

from celery import Celery, Task
from celery.concurrency.prefork import TaskPool
from celery.worker.consumer import Consumer as CeleryConsumer
from celery.worker.request import Request
from celery.worker.strategy import default

from worker.intake.gathering import Gatherer


def strategy(task: Task, app: Celery, consumer: Any) -> Callable[..., Any]:
    """Return the function that Celery calls with each message of the task.

    Messages are gathered only if children are processes. In the pools `solo` and `threads` each message runs by itself.
    """
    consumer_of_strategy = consumer
    if consumer.hub and isinstance(consumer.pool, TaskPool):
        gatherer = Gatherer(task=task, consumer=consumer, outage=consumer.outage)
        consumer.gatherers.append(gatherer)
        consumer_of_strategy = GatheringConsumer(consumer, gatherer)
    handler: Callable[..., Any] = default(task, app, consumer_of_strategy)
    return handler


class GatheringConsumer:
    """A stand-in for the consumer, to which Celery's strategy hands the messages that are ready to run."""

    def __init__(self, consumer: CeleryConsumer, gatherer: Gatherer) -> None:
        self._consumer = consumer
        self.on_task_request = gatherer.add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._consumer, name)

    def apply_eta_task(self, request: Request) -> None:
        """Gather a request when its eta has come."""
        CeleryConsumer.apply_eta_task(self, request)
