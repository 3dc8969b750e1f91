"""A worker on a real RabbitMQ: killed, cut off by a crash of the broker, and with a message that is put back often."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Message, Queue, pools

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.broker import UNNAMED, with_redis
from tests.end_to_end.database import holding, poisoned, rows
from tests.end_to_end.programs import Worker, scrip
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.certificates import certificate
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.proxy import Proxy
from tests.support.requests import redemption
from tests.support.waiting import eventually
from worker.fault_points import VARIABLE, FaultPoint
from worker.queues import queues

# Starting RabbitMQ takes long. CI runs these tests before the suite.
pytestmark = pytest.mark.scale
# A database of Valkey for the results.
RESULTS = 15
# RabbitMQ 4 drops a message after 20 by default.
REDELIVERIES = 30
PREFETCH = 20


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """Run a RabbitMQ that listens for TLS too."""
    folder = tmp_path_factory.mktemp("rabbit")
    with RabbitMq(folder, certificate(folder / "certificate", name=f"IP:{LOOPBACK}")) as running:
        yield running


@pytest.fixture
def variables(database: dict[str, str], rabbit: RabbitMq) -> dict[str, str]:
    """Return the variables of a worker on that broker, whose queues are empty."""
    rabbit.purge()
    results = with_redis(database, number=RESULTS)["REDIS_URL"]
    return {**database, "BROKER_URL": rabbit.url, "RESULT_BACKEND_URL": results}


def sender_of(variables: dict[str, str]) -> CeleryClient:
    """Return a client, configured as docs/brokers.md says."""
    addresses = {"broker_url": variables["BROKER_URL"], "result_backend": variables["RESULT_BACKEND_URL"]}
    return CeleryClient(**addresses, **SENDER_CONFIGURATION)


def worker_of(variables: dict[str, str], folder: Path) -> Worker:
    """Return a worker with two children, which prefetches ten messages for each."""
    return Worker(folder=folder, environment=variables, prefetch_multiplier=PREFETCH // 2)


def redemptions(variables: dict[str, str]) -> list[tuple[Any, ...]]:
    """Return the number of redemptions of the voucher."""
    return rows(variables["DATABASE_URL"], "SELECT redemptions FROM vouchers")


def test_a_killed_workers_messages_are_decided_once(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """The worker is killed with messages in it. A sender needs no arguments of the queues."""
    with worker_of(variables, tmp_path / "first") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        sender.redeem("SUMMER")
        os.kill(worker.process.pid, signal.SIGSTOP)
        for _ in range(PREFETCH * 2):
            send_redemption(sender)
        # Only so many are delivered to a worker that acknowledges none.
        eventually(lambda: rabbit.queues()["redemptions"][1] == PREFETCH)
        worker.kill()
        with worker_of(variables, tmp_path / "second") as second:
            eventually(lambda: redemptions(variables) == [(1 + PREFETCH * 2,)])
            eventually(lambda: rabbit.queues()["redemptions"] == (0, 0))
            assert "Traceback" not in second.log


def test_a_message_survives_any_number_of_redeliveries(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """A consumer puts it back each time, and a worker decides it in the end."""
    with sender_of(variables) as sender:
        with worker_of(variables, tmp_path / "first") as worker:
            worker.wait_ready()
            sender.create_voucher("SUMMER")
        sent = send_redemption(sender)
        put_back(rabbit.url, "redemptions", times=REDELIVERIES)
        eventually(lambda: rabbit.queues()["redemptions"] == (1, 0))
        with worker_of(variables, tmp_path / "second"):
            assert sent.get(timeout=60)["outcome"] == "accepted"


def put_back(url: str, queue: str, *, times: int) -> None:
    """Receive a message and put it back into its queue, so often."""
    returned: list[Message] = []

    def put_back_once(message: Message) -> None:
        returned.append(message)
        message.reject(requeue=True)
        if len(returned) == times:
            consumer.cancel()

    with Connection(url) as connection:
        connection.default_channel.basic_qos(0, 1, False)  # noqa: FBT003 - kombu's own
        consumer = Consumer(connection, [Queue(queue, no_declare=True)], on_message=put_back_once)
        with consumer:
            while len(returned) < times:
                with suppress(socket.timeout):
                    connection.drain_events(timeout=1)


def test_a_confirmed_message_survives_the_end_of_the_broker(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """The broker is killed after it has confirmed the messages. The worker connects to the next one."""
    with sender_of(variables) as sender, worker_of(variables, tmp_path / "first") as worker:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        os.kill(worker.process.pid, signal.SIGSTOP)
        for _ in range(PREFETCH):
            send_redemption(sender)
        rabbit.node.kill()
        rabbit.node.start()
        os.kill(worker.process.pid, signal.SIGCONT)
        eventually(lambda: redemptions(variables) == [(PREFETCH,)])
        assert worker.is_alive()


def test_a_message_that_is_due_later_waits_on_the_server(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """Many of them fill no worker, and the loss of the worker loses none. Each is answered when it is due."""
    with sender_of(variables) as sender:
        with worker_of(variables, tmp_path / "first") as worker:
            worker.wait_ready()
            sender.create_voucher("SUMMER")
            for _ in range(PREFETCH * 2):
                send_redemption(sender, countdown=3_600)
            assert sender.redeem("SUMMER")["redemptionNumber"] == 1
            eventually(lambda: waiting(rabbit) == PREFETCH * 2 and rabbit.queues()["redemptions"] == (0, 0))
            soon = [send_redemption(sender, countdown=3) for _ in range(PREFETCH)]
            worker.kill()
        with worker_of(variables, tmp_path / "second"):
            numbers = {each.get(timeout=60)["redemptionNumber"] for each in soon}
            assert numbers == {number + 2 for number in range(PREFETCH)}
            eventually(lambda: waiting(rabbit) == PREFETCH * 2)


def test_a_message_that_is_tried_again_waits_on_the_server(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """It was begun, so it does not expire. Its child waits for a lock that another transaction holds."""
    impatient = variables | {"SCRIP_LOCK_TIMEOUT_SECONDS": "1"}
    with worker_of(impatient, tmp_path / "worker") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with holding(variables["DATABASE_URL"], "SELECT * FROM vouchers FOR UPDATE"):
            sent = send_redemption(sender, expires=3)
            eventually(lambda: worker.log.count("is tried again in") >= 3)
            eventually(lambda: rabbit.ready("celery_delayed_1") == 1)
        assert sent.get(timeout=60)["redemptionNumber"] == 1


def test_a_message_that_fails_three_times_is_a_dead_letter(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """A header that is no JSON does not prevent that. Sent again, the message comes back to its queue."""
    url = variables["DATABASE_URL"]
    with worker_of(variables, tmp_path / "worker") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with poisoned(url, customer="cus_poison"):
            sent = send_redemption(sender, customer="cus_poison", headers={"sent": datetime.now(UTC)})
            with pytest.raises(Exception, match="given up after 3 attempts"):
                sent.get(timeout=60)
        assert rows(url, "SELECT task_id, queue FROM dead_letters") == [(sent.id, "redemptions")]
        with full(rabbit), pytest.raises(subprocess.CalledProcessError) as refused:
            scrip(worker, "dead-letters", "retry", sent.id)
        assert refused.value.returncode == 2
        assert "RabbitMQ accepts no messages now, and may store this one later" in refused.value.stderr
        assert "Traceback" not in refused.value.stderr
        # The message may have been sent all the same, and has one effect.
        scrip(worker, "dead-letters", "retry", sent.id)
        eventually(lambda: redemptions(variables) == [(1,)])
        eventually(lambda: waiting(rabbit) == 0)


def test_a_full_rabbitmq_is_emptied(variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path) -> None:
    """While it stores no messages, workers start and decide, and a message that is due later stays in a worker."""
    with worker_of(variables, tmp_path / "first") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        os.kill(worker.process.pid, signal.SIGSTOP)
        sent = [send_redemption(sender, countdown=seconds) for seconds in (None, 2) * PREFETCH]
        with full(rabbit), Worker(folder=tmp_path / "second", environment=variables) as second:
            second.wait_ready()
            os.kill(worker.process.pid, signal.SIGCONT)
            assert {each.get(timeout=60)["outcome"] for each in sent} == {"accepted"}
            for each in (worker, second):
                assert each.is_alive()
                assert "Traceback" not in each.log


def test_a_silent_connection_to_rabbitmq_is_given_up(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """The worker connects again, and what it held is answered."""
    with (
        Proxy(rabbit.url) as proxy,
        worker_of(variables | {"BROKER_URL": proxy.url}, tmp_path / "worker") as worker,
        sender_of(variables) as sender,
    ):
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with holding(variables["DATABASE_URL"], "SELECT * FROM vouchers FOR UPDATE"):
            sent = [send_redemption(sender) for _ in range(PREFETCH)]
            eventually(lambda: worker.log.count("received") == 1 + PREFETCH)
            proxy.forget()
        sent += [send_redemption(sender) for _ in range(PREFETCH)]
        assert {each.get(timeout=60)["outcome"] for each in sent} == {"accepted"}
        assert redemptions(variables) == [(PREFETCH * 2,)]


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {"compression": "bzip2"}, {"expires": 3_600}])
def test_a_message_keeps_its_content_while_it_waits(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Until it is due, until a lock is free, and after it was a dead letter. A text may have any encoding."""
    url = variables["DATABASE_URL"]
    with (
        worker_of(variables | {"SCRIP_LOCK_TIMEOUT_SECONDS": "1"}, tmp_path / "worker") as worker,
        sender_of(variables) as sender,
    ):
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with holding(url, "SELECT * FROM vouchers FOR UPDATE"):
            sent = [send_redemption(sender, **options), send_redemption(sender, countdown=1, **options)]
            publish_encoded(rabbit.url, customer="cus_é", encoding="latin-1", wait_seconds=1)
            eventually(lambda: worker.log.count("is tried again in") >= len(sent) + 1)
        assert [each.get(timeout=60)["outcome"] for each in sent] == ["accepted"] * 2
        eventually(lambda: rows(url, "SELECT count(*) FROM redemptions WHERE customer = 'cus_é'") == [(1,)])
        with poisoned(url, customer="cus_poison"):
            poison = send_redemption(sender, customer="cus_poison", **options)
            eventually(lambda: rows(url, "SELECT task_id FROM dead_letters") == [(poison.id,)])
        scrip(worker, "dead-letters", "retry", poison.id)
        eventually(lambda: redemptions(variables) == [(4,)])
        assert "dropped a message" not in worker.log


@pytest.mark.parametrize("odd", ["content type", "correlation id", "name of a header", "timestamp of a header", "text"])
def test_no_property_of_a_message_ends_a_worker(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    """It cannot be read or copied, so the message is dropped. Timestamps in milliseconds are a common mistake."""
    due = datetime.now(UTC) + timedelta(hours=1)
    not_utf8, headers = b"\xff\xfe", {"id": "odd", "task": "redemptions.redeem", "eta": due.isoformat()}
    odd_headers: dict[str, dict[Any, Any]] = {
        "name of a header": {not_utf8: 1},
        "timestamp of a header": {"at": datetime(2026, 11, 29, tzinfo=UTC)},
    }
    properties = {
        "content type": {"content_type": not_utf8},
        "correlation id": {"correlation_id": not_utf8},
        "text": {"content_type": "application/json", "content_encoding": "unicode_escape"},
    }
    half_a_pair = rb'[[], {"request": {"customer": "\ud800"}}, {}]'
    with worker_of(variables, tmp_path / "worker") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with Connection(rabbit.url) as connection, monkeypatch.context() as patches:
            patches.setattr("amqp.serialization.calendar.timegm", lambda _: 1_700_000_000_000)
            channel = connection.default_channel
            message = channel.prepare_message(
                half_a_pair, headers={**headers, **odd_headers.get(odd, {})}, properties={}
            )
            message.properties.update(properties.get(odd, {}))
            channel.basic_publish(message, exchange="", routing_key="redemptions")
        eventually(lambda: "dropped a message" in worker.log or not worker.is_alive())
        assert sender.redeem("SUMMER")["redemptionNumber"] == 1


def test_a_message_that_waited_and_was_begun_does_not_expire(variables: dict[str, str], tmp_path: Path) -> None:
    """Its worker dies after COMMIT, so its caller must not be told that it has expired."""
    stopped = variables | {VARIABLE: f"{FaultPoint.AFTER_COMMIT}:stop:2"}
    with sender_of(variables) as sender:
        with worker_of(stopped, tmp_path / "first") as worker:
            worker.wait_ready()
            sender.create_voucher("SUMMER")
            sent = send_redemption(sender, expires=3, countdown=1)
            eventually(lambda: redemptions(variables) == [(1,)])
            expiry = datetime.now(UTC) + timedelta(seconds=4)
            eventually(lambda: datetime.now(UTC) > expiry)
            worker.kill()
        with worker_of(variables, tmp_path / "second"):
            assert sent.get(timeout=60)["redemptionNumber"] == 1


def test_a_deleted_queue_of_delayed_messages_is_declared_again(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """Otherwise the messages that have to wait would fill the worker."""
    with worker_of(variables, tmp_path / "worker") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        rabbit.control("delete_queue", "celery_delayed_11")
        for _ in range(PREFETCH * 2):
            send_redemption(sender, countdown=3_600)
        assert sender.redeem("SUMMER")["redemptionNumber"] == 1
        eventually(lambda: rabbit.ready("celery_delayed_11") == PREFETCH * 2)


def publish_encoded(url: str, *, customer: str, encoding: str, wait_seconds: int) -> None:
    """Publish a redemption of the voucher as a text in another encoding than UTF-8."""
    body = json.dumps([[], {"request": redemption(code="SUMMER", customer=customer)}, {}], ensure_ascii=False)
    due = datetime.now(UTC) + timedelta(seconds=wait_seconds)
    with Connection(url) as connection:
        connection.Producer().publish(
            body.encode(encoding),
            routing_key="redemptions",
            headers={"id": f"encoded-{customer.encode().hex()}", "task": "redemptions.redeem", "eta": due.isoformat()},
            content_type="application/json",
            content_encoding=encoding,
        )


@contextmanager
def full(rabbit: RabbitMq) -> Iterator[None]:
    """Let RabbitMQ find that its memory is full, so that it reads nothing from connections that publish."""
    rabbit.control("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        yield
    finally:
        rabbit.control("set_vm_memory_high_watermark", "0.4")


def send_redemption(sender: CeleryClient, *, customer: str = "cus_1", **options: Any) -> Any:
    """Send a redemption of the voucher, with Celery's options, and return its result."""
    request = redemption(code="SUMMER", customer=customer)
    return sender.app.send_task("redemptions.redeem", kwargs={"request": request}, **options)


def waiting(rabbit: RabbitMq) -> int:
    """Return how many messages wait on the server until they are due."""
    return sum(sum(counts) for name, counts in rabbit.queues().items() if name.startswith("celery_delayed_"))


def test_the_certificate_of_rabbitmq_is_checked(variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path) -> None:
    """OpenSSL's own variable names the authority. Without it, the certificate is not trusted."""
    unknown = variables | {"BROKER_URL": rabbit.tls_url}
    with worker_of(unknown, tmp_path / "unknown") as worker:
        eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in worker.log or not worker.is_alive())
        assert " ready." not in worker.log
    named = unknown | {"SSL_CERT_FILE": str(rabbit.authority_file)}
    with worker_of(named, tmp_path / "named") as worker:
        worker.wait_ready()


def test_a_queue_with_other_arguments_ends_the_worker_with_one_line(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path
) -> None:
    """Otherwise the worker would connect again several times a second, for ever."""
    older = Queue("sweeps", routing_key="sweeps", queue_arguments={"x-queue-type": "quorum"})
    with Connection(rabbit.url) as connection:
        older(connection.default_channel).delete()
        older(connection.default_channel).declare()
        try:
            with worker_of(variables, tmp_path / "worker") as worker:
                eventually(lambda: not worker.is_alive())
                assert worker.log.count("scrip: the broker cannot be used: PRECONDITION_FAILED") == 1
                assert "Traceback" not in worker.log
        finally:
            older(connection.default_channel).delete()


def unnamed_sender_of(variables: dict[str, str], **configuration: Any) -> CeleryClient:
    """Return a client that names no queue, and declares Celery's default as Celery does."""
    addresses = {"broker_url": variables["BROKER_URL"], "result_backend": variables["RESULT_BACKEND_URL"]}
    return CeleryClient(**addresses, **configuration, task_routes=None)


@pytest.mark.parametrize("is_sender_first", [True, False])
def test_a_message_without_a_queue_is_answered(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path, *, is_sender_first: bool
) -> None:
    """Whether the sender or the worker declares the queue first, and also after the death of a worker."""
    delete_queue(rabbit.url, UNNAMED)
    with unnamed_sender_of(variables) as sender:
        early = [send_redemption(sender)] if is_sender_first else []
        with worker_of(variables, tmp_path / "first") as worker:
            worker.wait_ready()
            assert [each.get(timeout=60)["reason"] for each in early] == ["voucher_not_found"] * len(early)
            sender.create_voucher("SUMMER")
            with holding(variables["DATABASE_URL"], "SELECT * FROM vouchers FOR UPDATE"):
                sent = [send_redemption(sender) for _ in range(PREFETCH * 2)]
                eventually(lambda: worker.log.count("received") >= PREFETCH)
                worker.kill()
        with worker_of(variables, tmp_path / "second"):
            assert len({each.get(timeout=60)["redemptionNumber"] for each in sent}) == PREFETCH * 2
        assert redemptions(variables) == [(PREFETCH * 2,)]


def test_a_message_without_a_queue_waits_in_that_of_its_task(variables: dict[str, str], tmp_path: Path) -> None:
    """Until it is due, until a lock is free, and after it was a dead letter."""
    url, impatient = variables["DATABASE_URL"], variables | {"SCRIP_LOCK_TIMEOUT_SECONDS": "1"}
    with worker_of(impatient, tmp_path / "worker") as worker, unnamed_sender_of(variables) as sender:
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        with holding(url, "SELECT * FROM vouchers FOR UPDATE"):
            sent = [send_redemption(sender), send_redemption(sender, countdown=1)]
            eventually(lambda: worker.log.count("is tried again in") >= len(sent))
        assert {each.get(timeout=60)["outcome"] for each in sent} == {"accepted"}
        with poisoned(url, customer="cus_poison"):
            poison = send_redemption(sender, customer="cus_poison")
            eventually(lambda: rows(url, "SELECT task_id, queue FROM dead_letters") == [(poison.id, "redemptions")])
        scrip(worker, "dead-letters", "retry", poison.id)
        eventually(lambda: redemptions(variables) == [(3,)])


@pytest.mark.parametrize("options", [{}, {"countdown": 3_600}])
def test_a_message_in_a_wrong_queue_fails_at_once(
    variables: dict[str, str], rabbit: RabbitMq, tmp_path: Path, options: dict[str, Any]
) -> None:
    """The queue counts, and not the exchange and the key that the sender has used."""
    with worker_of(variables, tmp_path / "worker") as worker, sender_of(variables) as sender:
        worker.wait_ready()
        with Connection(rabbit.url) as connection:
            Queue("sweeps", no_declare=True)(connection.default_channel).bind_to("amq.topic", "events.redemptions")
        for route in ({"queue": "sweeps"}, {"exchange": "amq.topic", "routing_key": "events.redemptions"}):
            sent = send_redemption(sender, **options, **route)
            with pytest.raises(Exception, match=r"came by the queue sweeps, .* send it to redemptions"):
                sent.get(timeout=60)
        assert rows(variables["DATABASE_URL"], "SELECT * FROM dead_letters") == []
        eventually(lambda: rabbit.queues()["sweeps"] == (0, 0))


def test_a_default_queue_of_another_kind_is_taken_as_it_is(rabbit: RabbitMq) -> None:
    """A sender may prefer quorum queues. Its declaration stays valid, and no worker ends."""
    delete_queue(rabbit.url, UNNAMED)
    senders = Queue(UNNAMED, routing_key=UNNAMED, queue_arguments={"x-queue-type": "quorum"})
    *_, ours = queues(broker_url=rabbit.url)
    try:
        with Connection(rabbit.url) as connection:
            for each in (senders, ours, senders):
                each(connection.default_channel).declare()
    finally:
        delete_queue(rabbit.url, UNNAMED)


def delete_queue(url: str, name: str) -> None:
    """Delete a queue if there is one, and forget that clients have declared it."""
    pools.reset()
    with Connection(url) as connection:
        Queue(name)(connection.default_channel).delete()
