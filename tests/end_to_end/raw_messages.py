"""Messages that no client of Celery would send, put into the queue as any program could put them."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts
from tests.end_to_end.programs import Worker
from tests.support.requests import redemption

SECRET = "HUSH-71bd"
# Without a customer the request is invalid, so nothing would be written even if a worker ran the message.
REDEMPTION = {"project": "gigs", "requestId": "order-0", "code": SECRET, "subscription": "sub_0"}
# Half of a surrogate pair: neither Postgres nor the result store can store such a text.
HALF_A_PAIR = "\ud800x"
BODY = json.dumps([[], {"request": REDEMPTION}, {}])


def publish(
    client: Client,
    *,
    body: str | bytes = BODY,
    headers: Json | None = None,
    content_type: Any = "application/json",
    content_encoding: Any = "",
) -> str:
    """Publish a message by kombu with that body and those headers, and return the task's id."""
    task_id = str(uuid4())
    with client.app.producer_or_acquire() as producer:
        producer.publish(
            body,
            routing_key="redemptions",
            exchange="",
            content_type=content_type,
            content_encoding=content_encoding or ("utf-8" if isinstance(body, str) else "binary"),
            headers={"id": task_id, "task": "redemptions.redeem"} if headers is None else headers,
            correlation_id=task_id,
        )
    return task_id


def put_envelope(client: Client, envelope: Json, *, queue: str = "redemptions") -> None:
    """Push an envelope to a queue without kombu. Missing fields get valid values."""
    body = envelope.get("body", BODY)
    is_text = isinstance(body, str)
    tag = str(uuid4())
    text = {
        "body": b64encode(body.encode()).decode() if is_text else body,
        "content-encoding": "utf-8" if is_text else "binary",
        "content-type": envelope.get("content-type", "application/json" if is_text else "application/data"),
        "headers": {"id": tag, "task": "redemptions.redeem", **envelope.get("headers", {})},
        "properties": {
            "correlation_id": tag,
            "delivery_info": envelope.get("delivery_info", {"exchange": "", "routing_key": queue}),
            "delivery_mode": 2,
            "delivery_tag": tag,
            "priority": 0,
            "body_encoding": "base64" if is_text else None,
        },
    }
    client.broker.redis.lpush(queue, json.dumps(text))


def assert_survived(worker: Worker, client: Client, *, log_since: int) -> None:
    """Check that the worker answers the next message, and that the bad message is gone and was not logged."""
    process = worker.process
    following = client.send("redemptions.redeem", redemption(code="OTHER"))
    outcome = worker.eventually(lambda: client.broker.outcome(following))
    assert outcome["result"]["reason"] == "voucher_not_found"
    worker.wait_until_acknowledged()
    assert worker.process is process
    assert row_counts(worker.environment["DATABASE_URL"]) == {"redemptions": 1, "subscriptions": 1}
    assert SECRET not in worker.log[log_since:]
