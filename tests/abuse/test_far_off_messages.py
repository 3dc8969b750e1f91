"""Messages that are due later wait on the server, up to a day. However many there are, a worker goes on."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest

from tests.abuse.attacked import MEGABYTE, REDEEM, Attacked
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.programs import Worker
from tests.support.requests import redemption

pytestmark = pytest.mark.slow

FAR_OFF = 14
MANY = 100_000
AS_IN_PROCFILE = 1_000
TOO_FAR = [[{"field": "eta", "message": "must be at most a day ahead"}]]


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": 86_400 + 120},
        {"countdown": 86_400 * 400},
        {"eta": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)},
        {"eta": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "retries": 3},
    ],
    ids=str,
)
def test_a_message_that_is_due_in_over_a_day_is_refused(attacked: Attacked, options: dict[str, Any]) -> None:
    """At once, by a clear error. A retry of a sender goes the same way."""
    sent = attacked.client.send(REDEEM, redemption(code="NONE"), **options)
    assert attacked.error(sent)["exc_message"] == TOO_FAR
    attacked.assert_unharmed()


def test_one_that_is_due_within_a_day_waits(attacked: Attacked) -> None:
    """On the server."""
    attacked.client.send(REDEEM, redemption(code="NONE"), countdown=86_400)
    attacked.worker.eventually(lambda: attacked.client.broker.unacknowledged() == 1)
    assert attacked.client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"
    # The other message is acknowledged after it was answered.
    attacked.worker.eventually(lambda: attacked.client.broker.unacknowledged() == 1)
    attacked.client.broker.redis.flushdb()


@pytest.mark.parametrize(
    "eta", ["2999-W01-1", "29990101", "now", "2999-01-01T00:00:00 Europe/Oslo", "2999-01-01T00:00:00+99:00"]
)
def test_no_spelling_of_an_eta_stays_in_the_worker(attacked: Attacked, eta: str) -> None:
    """It is too far off, or no instant."""
    sent = attacked.client.send(REDEEM, redemption(code="NONE"), headers={"eta": eta})
    assert attacked.error(sent)["exc_type"] in {"InvalidRequest", "InvalidTaskError"}
    attacked.assert_unharmed()


@pytest.mark.parametrize(
    ("expires", "status"),
    [
        ("0001-01-01T00:00:00+23:59", "REVOKED"),
        ("0001-01-01T00:00:00", "REVOKED"),
        ("9999-12-31T23:59:59-23:59", "SUCCESS"),
        ("9999-12-31T23:59:59.999999", "SUCCESS"),
        ("9999-12-31", "SUCCESS"),
    ],
)
def test_no_expiry_harms_the_worker(attacked: Attacked, expires: str, status: str) -> None:
    """However far it is in the past or in the future."""
    sent = attacked.client.send(REDEEM, redemption(code="NONE"), headers={"expires": expires})
    attacked.worker.eventually(lambda: attacked.client.broker.state(sent)["status"] == status)
    attacked.worker.wait_until_acknowledged()
    assert attacked.client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"


@pytest.mark.parametrize(
    "headers",
    [
        {"retries": 10**9},
        {"retries": -1},
        {"retries": "1"},
        {"timelimit": [10**9, None]},
        {"timelimit": [None, -1]},
        {"timelimit": [float("inf"), None]},
        {"timelimit": ["1", "1"]},
        {"timelimit": 1},
    ],
    ids=str,
)
def test_limits_that_make_no_sense_are_dropped(attacked: Attacked, headers: dict[str, Any]) -> None:
    """A timer would overflow, and a count would be pickled for ever."""
    sent = attacked.client.send(REDEEM, redemption(code="NONE"), headers=headers)
    assert attacked.error(sent)["exc_type"] == "InvalidTaskError"
    attacked.assert_unharmed()


def test_short_time_limits_kill_no_child(attacked: Attacked) -> None:
    """A hundred messages with a millisecond each stopped a worker for minutes: each killed a child, several times."""
    children = {each.pid for each in attacked.worker.children()}
    for _ in range(100):
        attacked.client.send(REDEEM, {**redemption(code="NONE"), "project": 1}, time_limit=0.001)
    attacked.assert_unharmed()
    assert {each.pid for each in attacked.worker.children()} == children


def test_large_messages_that_wait_fill_nothing(attacked: Attacked) -> None:
    """Eighteen of a megabyte fill what a channel may hold."""
    request = redemption(code="NONE") | {"products": ["p" * 250] * 4_000}
    for _ in range(18):
        attacked.client.send(REDEEM, request, countdown=3_600)
    assert attacked.client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"
    attacked.worker.eventually(lambda: attacked.client.broker.unacknowledged() == 18)
    attacked.client.broker.redis.flushdb()


def push_far_off(client: Client, *, count: int) -> None:
    """Push so many messages that are due in an hour, as any client could."""
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = b64encode(json.dumps([[], {"request": redemption(code="NONE")}, {}]).encode()).decode()
    with client.broker.redis.pipeline(transaction=False) as pipeline:
        for _ in range(count):
            tag = str(uuid4())
            envelope = {
                "body": body,
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {"id": tag, "task": REDEEM, "eta": due},
                "properties": {
                    "correlation_id": tag,
                    "delivery_info": {"exchange": "", "routing_key": "redemptions"},
                    "delivery_mode": 2,
                    "delivery_tag": tag,
                    "priority": 0,
                    "body_encoding": "base64",
                },
            }
            pipeline.lpush("redemptions", json.dumps(envelope))
        pipeline.execute()


def far_off_worker(folder: Path, variables: dict[str, str]) -> Worker:
    """Describe a worker of the Procfile's queue for redemptions."""
    return Worker(folder=folder, environment=variables, prefetch_multiplier=AS_IN_PROCFILE, log_level="INFO")


def wait_until_postponed(worker: Worker, *, count: int) -> None:
    """Wait until so many messages wait on the server, as long as there are ever more of them."""
    seen = [0]

    def are_more() -> bool:
        return worker.broker.unacknowledged() > seen[-1]

    while seen[-1] < count:
        worker.eventually(are_more)
        seen.append(worker.broker.unacknowledged())
    assert seen[-1] == count


def test_a_hundred_thousand_of_them_cost_nothing(database: dict[str, str], tmp_path: Path) -> None:
    """The worker's memory does not grow, a new request is answered, and the loss of a worker loses none."""
    variables = with_redis(database, number=FAR_OFF)
    with Client(variables) as client:
        client.broker.redis.flushdb()
        with far_off_worker(tmp_path / "first", variables) as worker:
            worker.wait_ready()
            push_far_off(client, count=MANY // 10)
            wait_until_postponed(worker, count=MANY // 10)
            before = psutil.Process(worker.process.pid).memory_info().rss
            push_far_off(client, count=MANY - MANY // 10)
            wait_until_postponed(worker, count=MANY)
            assert psutil.Process(worker.process.pid).memory_info().rss - before < 20 * MEGABYTE
            assert client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"
            worker.kill()
        with far_off_worker(tmp_path / "second", variables) as worker:
            worker.wait_ready()
            assert client.ask(REDEEM, redemption(code="NONE"))["reason"] == "voucher_not_found"
            worker.eventually(lambda: not client.broker.waiting("redemptions"))
            worker.eventually(lambda: client.broker.unacknowledged() == MANY)
        client.broker.redis.flushdb()
