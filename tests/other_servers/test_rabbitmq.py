"""A worker on a real RabbitMQ: killed, cut off by a crash of the broker, and with a message that is put back often."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Consumer, Message, Queue

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.broker import QUEUES, with_redis
from tests.end_to_end.database import rows
from tests.end_to_end.programs import Worker
from tests.end_to_end.waiting import eventually
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.certificates import certificate
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.requests import redemption

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
    for name in set(QUEUES) & rabbit.queues().keys():
        rabbit.control("purge_queue", name)
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
            sender.app.send_task("redemptions.redeem", kwargs={"request": redemption(code="SUMMER")})
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
        sent = sender.app.send_task("redemptions.redeem", kwargs={"request": redemption(code="SUMMER")})
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
            sender.app.send_task("redemptions.redeem", kwargs={"request": redemption(code="SUMMER")})
        rabbit.node.kill()
        rabbit.node.start()
        os.kill(worker.process.pid, signal.SIGCONT)
        eventually(lambda: redemptions(variables) == [(PREFETCH,)])
        assert worker.is_alive()


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
