"""Messages as a client of Celery writes them, and their results, past the proxies.

A sender that cannot reach the broker tries again with the same message, as a careful client does.
"""

import json
import random
from base64 import b64encode
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu.exceptions import KombuError
from redis import Redis, RedisError

from tests.faults.history import Json

# The queue of a task by its prefix, as the contract says.
QUEUES = {"redemptions": "redemptions", "billing": "billing", "expiry": "sweeps", "audit": "sweeps"}
ENDED = {"SUCCESS", "FAILURE", "REVOKED"}
COPIES_MAX = 5
# The errors of a broker or a result store that is away.
AWAY = (RedisError, KombuError, AMQPError, OSError)


def queue_of(task: str) -> str:
    """Return the queue to which a client sends a task."""
    return QUEUES.get(task.split(".", maxsplit=1)[0], "admin")


def message(task: str, request: Json, *, task_id: str) -> str:
    """Return the message of a task in the format of Celery and kombu."""
    body = json.dumps([[], {"request": request}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}])
    return json.dumps(
        {
            "body": b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "retries": 0},
            "properties": {
                "correlation_id": task_id,
                "delivery_info": {"exchange": "", "routing_key": queue_of(task)},
                "delivery_mode": 2,
                "delivery_tag": str(uuid4()),
                "priority": 0,
                "body_encoding": "base64",
            },
        }
    )


class Sender:
    """Sends messages to a broker on Redis or Valkey, and reads results. Raises an error of AWAY while it is away."""

    def __init__(self, client: Redis, *, seed: int) -> None:
        """Use the client. The seed decides which messages are duplicated and put in front of others."""
        self.client = client
        self.source = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
        self.is_duplicating = False

    def send(self, task: str, request: Json, *, task_id: str) -> None:
        """Send a message, or up to five copies at either end of the queue."""
        copies = self.source.randint(1, COPIES_MAX) if self.is_duplicating else 1
        for _ in range(copies):
            is_in_front = self.is_duplicating and self.source.random() < 1 / 2
            push = self.client.rpush if is_in_front else self.client.lpush
            push(queue_of(task), message(task, request, task_id=task_id))

    def results(self, task_ids: Iterable[str]) -> dict[str, Json]:
        """Return the results of the tasks that have ended."""
        ids = list(task_ids)
        if not ids:
            return {}
        stored: Any = self.client.mget([f"celery-task-meta-{each}" for each in ids])
        read = {task_id: json.loads(text) for task_id, text in zip(ids, stored, strict=True) if text}
        return {task_id: result for task_id, result in read.items() if result["status"] in ENDED}
