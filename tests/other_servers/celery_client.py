"""An ordinary Celery client that waits for its answers with Celery's own API."""

from typing import Any, Self

from celery import Celery

from tests.end_to_end.broker import Json
from tests.end_to_end.client import ROUTES
from tests.support.requests import redemption, voucher_body
from tests.support.waiting import DEADLINE_SECONDS


class CeleryClient:
    """A client with a configuration of its own."""

    def __init__(self, **configuration: Any) -> None:
        """Describe the client, which connects at its first use."""
        self.app = Celery("sender", set_as_current=False)
        self.app.conf.update({"task_routes": ROUTES, **configuration})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.app.close()

    def ask(self, task: str, request: Json) -> Any:
        """Send a request and wait for the answer."""
        sent = self.app.send_task(task, kwargs={"request": request})
        return sent.get(timeout=DEADLINE_SECONDS)

    def create_voucher(self, code: str) -> None:
        """Create a voucher with that code."""
        self.ask("vouchers.create", voucher_body(code=code))

    def redeem(self, code: str) -> Json:
        """Redeem the voucher once more, and return the answer."""
        answer: Json = self.ask("redemptions.redeem", redemption(code=code))
        assert answer["outcome"] == "accepted", answer
        return answer
