"""Leases of messages, with real workers: what failed is back soon, and what a worker works on is not doubled."""

import base64
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import PREFETCH_MULTIPLIER, REDEEM, busy_child, wait_until_held
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_vouchers, rows, waiting_for_locks
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS, eventually

pytestmark = pytest.mark.slow

RENEWED, STOPPED, CUT, LATER, BOUNDED, RUN_AGAIN = 5, 6, 7, 8, 10, 2
# Longer than any test: a message that waited for it would fail the test.
FOR_EVER = {"SCRIP_VISIBILITY_TIMEOUT_SECONDS": "86400"}
SHORT = {"SCRIP_VISIBILITY_TIMEOUT_SECONDS": "1"}
RENEWALS = 8


def received(worker: Worker, task: str) -> int:
    """Return how often a worker received a message, by its log."""
    return worker.log.count(f"[{task}] received")


def lease_renewals(client: Client) -> Callable[[], int]:
    """Return a function that counts the changes of the only lease since its first call."""
    seen = set[float]()
    redis: Any = client.broker.redis

    def count() -> int:
        seen.update(begun for _, begun in redis.zrange("unacked_index", 0, -1, withscores=True))
        return len(seen) - 1

    return count


def test_a_message_whose_worker_lives_is_not_doubled(database: dict[str, str], tmp_path: Path) -> None:
    """A bulk request waits for a lock for twice the visibility timeout, and no other worker gets it."""
    variables = with_redis(database, number=RENEWED) | SHORT
    with (
        Worker(folder=tmp_path / "one", environment=variables, children=1) as one,
        Worker(folder=tmp_path / "other", environment=variables, children=1) as other,
        Client(variables) as client,
    ):
        workers = [one.wait_ready(), other.wait_ready()]
        voucher = created_voucher(client)
        with holding_vouchers(database["DATABASE_URL"]):
            sent = client.send("redemptions.redeem_many", {"requests": [redemption(voucher=voucher)]})
            renewals = lease_renewals(client)
            eventually(lambda: renewals() >= RENEWALS)
        client.answer(sent)
        one.wait_until_acknowledged()
        assert sum(received(worker, sent) for worker in workers) == 1


def test_a_stopped_worker_that_goes_on_has_one_effect(database: dict[str, str], tmp_path: Path) -> None:
    """SIGSTOP ends its renewals. Another worker answers, and the answers stay when the first goes on."""
    variables = with_redis(database, number=STOPPED) | SHORT
    url = database["DATABASE_URL"]
    with (
        Worker(folder=tmp_path / "one", environment=variables, children=1) as one,
        Client(variables) as client,
    ):
        one.wait_ready()
        voucher = created_voucher(client)
        with holding_vouchers(url):
            # No more than the worker prefetches.
            sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(4)]
            eventually(lambda: waiting_for_locks(url))
            eventually(lambda: client.broker.unacknowledged() == len(sent))
            one.process.send_signal(signal.SIGSTOP)
        with Worker(folder=tmp_path / "other", environment=variables, children=1) as other:
            answers = [client.answer(each) for each in sent]
            one.process.send_signal(signal.SIGCONT)
            one.wait_until_acknowledged()
            assert sorted(answer["redemptionNumber"] for answer in answers) == [1, 2, 3, 4]
            assert [client.answer(each) for each in sent] == answers
            assert rows(url, "SELECT count(*) FROM redemptions") == [(4,)]
            assert other.is_alive()


def test_messages_of_a_lost_connection_are_back_at_once(database: dict[str, str], tmp_path: Path) -> None:
    """Those that no child runs. The running one is ended once, and none waits for the end of a lease."""
    variables = with_redis(database, number=CUT) | FOR_EVER
    with (
        Worker(
            folder=tmp_path / "cut", environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER
        ) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        voucher = created_voucher(client)
        with busy_child(worker, client) as busy:
            sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(20)]
            sent_alone = [client.send("vouchers.retrieve", {"project": "gigs", "voucher": voucher}) for _ in range(5)]
            wait_until_held(worker, client, count=26)
            connected = worker.log.count("Connected to")
            client.broker.redis.client_kill_filter(_type="normal", skipme=True)
            worker.eventually(lambda: worker.log.count("Connected to") > connected)
            worker.eventually(lambda: received(worker, sent[-1]) > 1)
        assert client.answer(busy)["redemptionNumber"] == 1
        assert sorted(client.answer(each)["redemptionNumber"] for each in sent) == list(range(1, 21))
        assert {client.answer(each)["id"] for each in sent_alone} == {voucher}
        worker.wait_until_acknowledged()
        assert received(worker, busy) == 1


def test_a_message_that_runs_again_is_back_at_once_too(database: dict[str, str], tmp_path: Path) -> None:
    """Its child has died, and no other has begun it when the connection is lost."""
    variables = with_redis(database, number=RUN_AGAIN) | FOR_EVER
    url = database["DATABASE_URL"]
    with Worker(folder=tmp_path / "cut", environment=variables, children=2) as worker, Client(variables) as client:
        worker.wait_ready()
        voucher = created_voucher(client)
        with holding_vouchers(url):
            sent = client.send(REDEEM, redemption(voucher=voucher))
            (port,) = worker.eventually(lambda: waiting_for_locks(url))
            busy = worker.eventually(lambda: worker.child_with_port(port))
            (idle,) = [child for child in worker.children() if child != busy]
            idle.suspend()
            busy.kill()
            worker.eventually(lambda: "a child was lost with 1 messages" in worker.log)
            connected = worker.log.count("Connected to")
            client.broker.redis.client_kill_filter(_type="normal", skipme=True)
            worker.eventually(lambda: worker.log.count("Connected to") > connected)
            idle.resume()
        assert client.answer(sent)["redemptionNumber"] == 1
        worker.wait_until_acknowledged()


def test_a_message_that_is_due_later_waits_on_the_server(database: dict[str, str], tmp_path: Path) -> None:
    """Many of them fill no worker, and the loss of the worker loses none. One that is due soon is answered."""
    variables = with_redis(database, number=LATER)
    with Client(variables) as client:
        with Worker(folder=tmp_path / "first", environment=variables, children=1) as worker:
            worker.wait_ready()
            voucher = created_voucher(client)
            later = [client.send(REDEEM, redemption(voucher=voucher), countdown=3_600) for _ in range(50)]
            soon = client.send(REDEEM, redemption(voucher=voucher), countdown=2)
            now = client.send(REDEEM, redemption(voucher=voucher))
            assert client.answer(now)["redemptionNumber"] == 1
            assert client.answer(soon)["redemptionNumber"] == 2
            worker.eventually(lambda: client.broker.unacknowledged() == len(later))
            assert sum(received(worker, each) for each in later) == 0
        with Worker(folder=tmp_path / "second", environment=variables, children=1) as worker:
            worker.wait_ready()
            at_once = datetime.now(UTC) - timedelta(days=1)
            assert client.ask(REDEEM, redemption(voucher=voucher), eta=at_once)["redemptionNumber"] == 3
            worker.eventually(lambda: client.broker.unacknowledged() == len(later))
            # A lease that ends too early does not make a message due.
            redis: Any = client.broker.redis
            redis.zadd("unacked_index", dict.fromkeys(redis.zrange("unacked_index", 0, -1), 1.0))
            # While they are put back, they have leases that begin now.
            half_an_hour_on = (datetime.now(UTC) + timedelta(minutes=30)).timestamp()
            worker.eventually(lambda: redis.zcount("unacked_index", half_an_hour_on, "+inf") == len(later))
            assert client.broker.unacknowledged() == len(later)
        assert rows(database["DATABASE_URL"], "SELECT count(*) FROM redemptions") == [(3,)]


def test_a_stop_takes_less_than_ten_seconds(database: dict[str, str], tmp_path: Path) -> None:
    """A child that waits for a lock is killed in time, its message is put back, and the others before that."""
    variables = with_redis(database, number=BOUNDED) | FOR_EVER
    with (
        Worker(
            folder=tmp_path / "worker", environment=variables, children=1, prefetch_multiplier=PREFETCH_MULTIPLIER
        ) as worker,
        Client(variables) as client,
    ):
        worker.wait_ready()
        voucher = created_voucher(client)
        with busy_child(worker, client):
            for _ in range(10):
                client.send(REDEEM, redemption(voucher=voucher))
            wait_until_held(worker, client, count=11)
            worker.process.terminate()
            worker.eventually(lambda: client.broker.waiting("redemptions") == 10)
            assert client.broker.unacknowledged() == 1
            # The lock is still held.
            assert worker.process.wait(DEADLINE_SECONDS) == 0
            assert "killing 1 children" in worker.log
            assert client.broker.waiting("redemptions") == 11
            assert client.broker.unacknowledged() == 0


def test_a_chain_goes_on_after_a_task(batching: tuple[Worker, Client]) -> None:
    """Celery's callbacks and chains work, although Scrip ends the message itself."""
    _, client = batching
    voucher = created_voucher(client)
    retrieve = client.app.signature(
        "vouchers.retrieve", kwargs={"request": {"project": "gigs", "voucher": voucher}}, immutable=True
    )
    redeem = client.app.signature(REDEEM, kwargs={"request": redemption(voucher=voucher)}, immutable=True)
    last = (redeem | retrieve | retrieve).apply_async()
    assert client.answer(last.id)["redemptions"] == 1


def test_an_answer_is_stored_although_a_task_that_follows_is_unknown(batching: tuple[Worker, Client]) -> None:
    """A callback goes to the sender's own queue, which Scrip neither knows nor declares."""
    _, client = batching
    voucher = created_voucher(client)
    follows = client.app.signature("shop.note", immutable=True, queue="shop")
    sent = client.send(REDEEM, redemption(voucher=voucher), link=follows)
    assert client.answer(sent)["redemptionNumber"] == 1
    eventually(lambda: client.broker.redis.llen("shop") == 1)
    client.broker.redis.delete("shop")


def test_an_errback_of_the_senders_own_is_sent_with_the_id_of_the_failed_task(batching: tuple[Worker, Client]) -> None:
    """As Celery sends one that a worker does not know. The failure is stored too."""
    _, client = batching
    follows = client.app.signature("shop.failed", args=["order-1"], queue="shop")
    sent = client.send(REDEEM, {"project": "gigs"}, link_error=follows)
    assert client.outcome(sent)["result"]["exc_type"] == "InvalidRequest"
    eventually(lambda: client.broker.redis.llen("shop") == 1)
    message = json.loads(str(client.broker.redis.rpop("shop")))
    assert message["headers"]["task"] == "shop.failed"
    assert json.loads(base64.b64decode(message["body"]))[0] == [sent, "order-1"]


@pytest.mark.parametrize("countdown", [0, 1])
def test_a_message_that_was_begun_does_not_expire(impatient: tuple[Worker, Client], countdown: int) -> None:
    """Its effect may be committed, so its caller must not be told that it has expired."""
    worker, client = impatient
    voucher = created_voucher(client)
    with holding_vouchers(worker.environment["DATABASE_URL"]):
        sent = client.send(REDEEM, redemption(voucher=voucher), countdown=countdown, expires=2 + countdown)
        received_before = received(worker, sent)
        worker.eventually(lambda: received(worker, sent) >= received_before + 3)
    assert client.answer(sent)["redemptionNumber"] == 1


def test_a_message_that_only_waited_expires(client: Client, worker: Worker) -> None:
    """No child has begun it, so nothing can be committed."""
    sent = client.send(REDEEM, redemption(voucher=created_voucher(client)), countdown=2, expires=1)
    worker.eventually(lambda: client.broker.state(sent)["status"] == "REVOKED")
    assert rows(worker.environment["DATABASE_URL"], "SELECT * FROM redemptions") == []
