"""Signed messages on RabbitMQ: their signatures stay good while copies of them wait, and all others are refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection, Queue

from tests.end_to_end.broker import with_redis
from tests.end_to_end.database import close_connections, holding, poisoned, rows
from tests.end_to_end.programs import Worker, scrip
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.signing.conftest import signing_variables
from tests.signing.signing import ED25519, Key, SigningSender
from tests.support.requests import redemption
from tests.support.waiting import DEADLINE_SECONDS, eventually

pytestmark = pytest.mark.scale

REDEEM = "redemptions.redeem"
# A database of Valkey for the results.
RESULTS = 15
DAY = 86_400


@pytest.fixture(scope="module", autouse=True)
def closed_connections() -> Iterator[None]:
    """Close the connections to databases after the last test."""
    yield
    close_connections()


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """Run a RabbitMQ."""
    with RabbitMq(tmp_path_factory.mktemp("rabbit")) as running:
        yield running


@pytest.fixture
def gigs() -> Key:
    """Return the key of the sender."""
    return Key("gigs-1", ED25519)


@pytest.fixture
def worker(database: dict[str, str], rabbit: RabbitMq, gigs: Key, tmp_path: Path) -> Iterator[Worker]:
    """Run a worker that answers signed messages only, on empty queues."""
    rabbit.purge()
    results = with_redis(database, number=RESULTS)["REDIS_URL"]
    variables = {**database, "BROKER_URL": rabbit.url, "RESULT_BACKEND_URL": results}
    variables = signing_variables(variables, tmp_path, gigs, own=Key("scrip-1", projects=["*"]))
    with Worker(folder=tmp_path / "worker", environment=variables) as running:
        yield running.wait_ready()


@pytest.fixture
def sender(worker: Worker) -> Iterator[CeleryClient]:
    """Return a client, configured as docs/brokers.md says."""
    addresses = {name: worker.environment[variable] for name, variable in URLS.items()}
    with CeleryClient(**addresses, **SENDER_CONFIGURATION) as client:
        yield client


URLS = {"broker_url": "BROKER_URL", "result_backend": "RESULT_BACKEND_URL"}


def send(sender: CeleryClient, **options: Any) -> Any:
    """Send a redemption of the voucher SUMMER."""
    request = redemption(code="SUMMER", customer=options.pop("customer", "cus_1"))
    return sender.app.send_task(REDEEM, kwargs={"request": request}, **options)


@pytest.mark.parametrize("options", [{}, {"countdown": 3_600}, {"expires": DAY}], ids=str)
def test_an_unsigned_message_has_no_effect(worker: Worker, sender: CeleryClient, options: dict[str, Any]) -> None:
    """It does not wait until it is due."""
    with pytest.raises(Exception, match="is not signed"):
        send(sender, **options).get(timeout=DEADLINE_SECONDS)
    assert rows(worker.environment["DATABASE_URL"], "SELECT * FROM redemptions") == []


def test_a_signed_message_is_not_moved_to_another_queue(
    worker: Worker, sender: CeleryClient, gigs: Key, rabbit: RabbitMq
) -> None:
    """The queue counts by which it comes, and not what its routing key says."""
    with Connection(rabbit.url) as connection:
        Queue("celery", no_declare=True)(connection.default_channel).bind_to("amq.topic", "moved.redemptions")
    with SigningSender(gigs):
        sent = send(sender, exchange="amq.topic", routing_key="moved.redemptions")
    with pytest.raises(Exception, match="not that of this message in this queue"):
        sent.get(timeout=DEADLINE_SECONDS)
    assert rows(worker.environment["DATABASE_URL"], "SELECT * FROM redemptions") == []


def test_signed_messages_are_answered_after_they_have_waited(worker: Worker, sender: CeleryClient, gigs: Key) -> None:
    """Until they are due, and until a lock is free. By their own queue or by none, with an expiry or without."""
    url = worker.environment["DATABASE_URL"]
    kinds: list[dict[str, Any]] = [{}, {"countdown": 1}, {"expires": DAY}, {"countdown": 1, "expires": DAY}]
    kinds += [{**each, "queue": Queue("celery", no_declare=True)} for each in kinds]
    with SigningSender(gigs):
        sender.create_voucher("SUMMER")
        with holding(url, "SELECT * FROM vouchers FOR UPDATE"):
            sent = [send(sender, **each) for each in kinds]
            eventually(lambda: worker.log.count("is tried again in") >= 2 * len(sent))
        assert {each.get(timeout=DEADLINE_SECONDS)["outcome"] for each in sent} == {"accepted"}
    assert "refused a message" not in worker.log


def test_a_dead_letter_is_signed_anew(worker: Worker, sender: CeleryClient, gigs: Key) -> None:
    """It is without its expiry then, which was signed."""
    url = worker.environment["DATABASE_URL"]
    with SigningSender(gigs):
        sender.create_voucher("SUMMER")
        with poisoned(url, customer="cus_poison"):
            poison = send(sender, customer="cus_poison", expires=DAY)
            eventually(lambda: rows(url, "SELECT task_id FROM dead_letters") == [(poison.id,)])
    scrip(worker, "dead-letters", "retry", poison.id)
    eventually(lambda: rows(url, "SELECT redemptions FROM vouchers") == [(1,)])
