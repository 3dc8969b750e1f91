"""An ordinary Celery client in the process of the tests. The client knows only the names of tasks and queues."""

from collections.abc import Mapping
from typing import Any, Self

from celery import Celery

from tests.end_to_end.broker import Broker, Json
from tests.support.waiting import eventually

# The routes that the contract asks of a client.
ROUTES = {
    "redemptions.*": {"queue": "redemptions"},
    "billing.*": {"queue": "billing"},
    "expiry.*": {"queue": "sweeps"},
    "audit.*": {"queue": "sweeps"},
    "*": {"queue": "admin"},
}


class Client:
    """A client that reads the results from the result store itself.

    The client in billing_system.py waits for results with Celery's own API.
    """

    def __init__(self, environment: Mapping[str, str], *, routes: Mapping[str, Json] | None = ROUTES) -> None:
        """Describe the client, which connects at its first use."""
        self.broker = Broker(environment)
        self.app = Celery("billing-system", broker=environment["REDIS_URL"], set_as_current=False)
        self.app.conf.task_routes = routes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close()
        self.broker.redis.close()

    def send(self, task: str, request: object, **options: Any) -> str:
        """Send a request and return the task's id."""
        return self.send_arguments(task, kwargs={"request": request}, **options)

    def send_arguments(self, task: str, **options: Any) -> str:
        """Send a task with any arguments and return the task's id."""
        task_id: str = self.app.send_task(task, **options).id
        return task_id

    def outcome(self, task_id: str) -> Json:
        """Wait until the task has ended and return the stored result, decoded from JSON."""
        return eventually(lambda: self.broker.outcome(task_id))

    def answer(self, task_id: str) -> Any:
        """Wait for the task's answer and return the answer."""
        outcome = self.outcome(task_id)
        assert outcome["status"] == "SUCCESS", outcome
        return outcome["result"]

    def ask(self, task: str, request: object, **options: Any) -> Any:
        """Send a request and return the answer."""
        return self.answer(self.send(task, request, **options))
