"""The broker and the result store of the tests, seen from outside of Scrip and Celery."""

import json
import re
from collections.abc import Mapping
from typing import Any

from redis import Redis

from tests.support.administrator import administrators_broker_url

QUEUES = ("redemptions", "billing", "admin", "sweeps")
# Celery's own default, to which a client sends that names no queue.
UNNAMED = "celery"
# kombu's key for the messages that were delivered and not acknowledged yet.
UNACKNOWLEDGED = "unacked"

Json = dict[str, Any]


def with_redis(environment: Mapping[str, str], *, number: int) -> dict[str, str]:
    """Return the variables with the numbered database of Valkey, from which no other worker reads."""
    return {**environment, "REDIS_URL": re.sub(r"/0$", f"/{number}", environment["REDIS_URL"])}


class Broker:
    """The server of the broker, which stores the results too."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """Describe the connection, which is made at its first use."""
        self.redis = Redis.from_url(administrators_broker_url(environment["REDIS_URL"]), decode_responses=True)

    def messages(self) -> int:
        """Return the number of messages in the queues, plus the unacknowledged messages."""
        with self.redis.pipeline() as transaction:
            for queue in (*QUEUES, UNNAMED):
                transaction.llen(queue)
            transaction.hlen(UNACKNOWLEDGED)
            return sum(transaction.execute())

    def waiting(self, queue: str) -> int:
        """Return the number of messages in a queue that no worker has fetched."""
        count: int = self.redis.llen(queue)
        return count

    def unacknowledged(self) -> int:
        """Return the number of messages that workers have fetched and not acknowledged."""
        count: int = self.redis.hlen(UNACKNOWLEDGED)
        return count

    def state(self, task_id: str) -> Json:
        """Return the stored result of a task: its status, and the answer or the error, which never has a traceback."""
        stored = self.redis.get(f"celery-task-meta-{task_id}")
        state: Json = {"status": "PENDING"} if stored is None else json.loads(str(stored))
        assert not state.get("traceback"), state
        return state

    def outcome(self, task_id: str) -> Json | None:
        """Return the stored result of a task that has ended, or None."""
        state = self.state(task_id)
        return state if state["status"] in {"SUCCESS", "FAILURE"} else None
