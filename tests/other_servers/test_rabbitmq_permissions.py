"""RabbitMQ with a user for each kind of program: each works with the patterns of docs/brokers.md, and has no others."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from amqp.exceptions import AccessRefused  # type: ignore[import-untyped]
from kombu import Connection, Consumer, Queue

from tests.documents.blocks import CHECKOUT
from tests.end_to_end.broker import QUEUES, UNNAMED, with_redis
from tests.end_to_end.flower import Flower
from tests.end_to_end.programs import Program, Worker
from tests.metrics.exporter import running_exporter
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.rabbitmq_server import SENDER_CONFIGURATION, RabbitMq
from tests.support.overdue_schedule import write_overdue_schedule
from tests.support.waiting import eventually

# Starting RabbitMQ takes long. CI runs these tests before the suite.
pytestmark = pytest.mark.scale
# A database of Valkey for the results.
RESULTS = 15
OTHERS = ("scrip_beat", "scrip_flower", "scrip_metrics", "scrip_producer")
TABLE = re.compile(r"<!-- permissions -->(.*)<!-- /permissions -->", re.DOTALL)
ROW = re.compile(r"^\| `(scrip_\w+)` \| [^|]+ \| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)


def permissions() -> dict[str, list[str]]:
    """Return the patterns to configure, write and read of each user, as the page has them."""
    page = (CHECKOUT / "docs/brokers.md").read_text(encoding="utf-8")
    found = TABLE.search(page)
    assert found
    return {user: [each.replace("\\|", "|") for each in patterns] for user, *patterns in ROW.findall(found[1])}


def url_of(rabbit: RabbitMq, user: str) -> str:
    """Return the URL of a user, whose password is its name."""
    return rabbit.url.replace("guest:guest", f"{user}:{user}")


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMq]:
    """Run a RabbitMQ with the users of the page."""
    with RabbitMq(tmp_path_factory.mktemp("rabbit"), is_managed=True) as running:
        for user, patterns in permissions().items():
            running.control("add_user", user, user)
            running.control("set_permissions", user, *patterns)
        running.control("set_user_tags", "scrip_metrics", "monitoring")
        running.control("set_user_tags", "scrip_flower", "monitoring")
        yield running


@pytest.fixture
def variables(database: dict[str, str], rabbit: RabbitMq) -> dict[str, str]:
    """Return the variables of the worker, of which the broker's address is to be replaced for other programs."""
    results = with_redis(database, number=RESULTS)["REDIS_URL"]
    return {**database, "BROKER_URL": url_of(rabbit, "scrip_worker"), "RESULT_BACKEND_URL": results}


@pytest.fixture
def worker(variables: dict[str, str], tmp_path: Path) -> Iterator[Worker]:
    """Run a worker, which declares the queues."""
    with Worker(folder=tmp_path / "worker", environment=variables) as running:
        yield running.wait_ready()


def of_user(variables: Mapping[str, str], rabbit: RabbitMq, user: str) -> dict[str, str]:
    """Return the variables of the program of a user. The management plugin is asked by the same user."""
    api = rabbit.management_url.replace("guest:guest", f"{user}:{user}")
    return {**variables, "BROKER_URL": url_of(rabbit, user), "FLOWER_BROKER_API": api}


def refusals(rabbit: RabbitMq) -> list[str]:
    """Return what the server has refused so far."""
    return re.findall(r"access to \w+ '[^']*' in vhost '/' refused for user '\w+'", rabbit.node.log)


def test_a_sender_redeems_and_gets_its_answer(variables: dict[str, str], rabbit: RabbitMq, worker: Worker) -> None:
    """Also by a message that waits until it is due."""
    addresses = {"broker_url": url_of(rabbit, "scrip_producer"), "result_backend": variables["RESULT_BACKEND_URL"]}
    with CeleryClient(**addresses, **SENDER_CONFIGURATION) as client:
        client.create_voucher("SUMMER")
        assert client.redeem("SUMMER")["outcome"] == "accepted"
    assert worker.is_alive()


def test_beat_sends_its_tasks(variables: dict[str, str], rabbit: RabbitMq, worker: Worker, tmp_path: Path) -> None:
    """The worker sweeps."""
    schedule_file = tmp_path / "schedule"
    write_overdue_schedule(schedule_file)
    of_beat = of_user(variables, rabbit, "scrip_beat") | {"SCRIP_BEAT_SCHEDULE_FILE": str(schedule_file)}
    with Program("beat", folder=tmp_path / "beat", environment=of_beat) as beat:
        eventually(lambda: "expiry.sweep" in worker.log or not beat.is_alive() or refusals(rabbit))
        assert "expiry.sweep" in worker.log, (beat.log, refusals(rabbit))


def test_flower_shows_the_workers_and_the_lengths(
    variables: dict[str, str], rabbit: RabbitMq, worker: Worker, tmp_path: Path
) -> None:
    """By the events of the workers, their remote control, and the management plugin."""
    with Flower(folder=tmp_path / "flower", environment=of_user(variables, rabbit, "scrip_flower")) as flower:
        eventually(flower.is_answering)
        eventually(lambda: flower.queue_lengths().items() >= {"redemptions": 0, "billing": 0}.items())
        eventually(lambda: "worker@" in flower.get("/api/workers?refresh=1"))
        eventually(lambda: json.loads(flower.get("/workers?json=1"))["data"])
    assert worker.is_alive()


@pytest.mark.parametrize("has_plugin", [True, False])
def test_the_metrics_tell_the_lengths(
    variables: dict[str, str], rabbit: RabbitMq, worker: Worker, tmp_path: Path, has_plugin: bool
) -> None:
    """By the management plugin, and without it by AMQP."""
    of_metrics = of_user(variables, rabbit, "scrip_metrics") | {"SCRIP_METRICS_FOLDER": str(tmp_path / "metrics")}
    if not has_plugin:
        of_metrics["FLOWER_BROKER_API"] = ""
    with running_exporter(of_metrics) as exporter:
        eventually(lambda: ("scrip_queue_messages", "redemptions", "ready") in exporter.samples())
    assert worker.is_alive()


@pytest.mark.parametrize("user", OTHERS)
def test_nobody_but_a_worker_takes_or_empties_a_queue(rabbit: RabbitMq, worker: Worker, user: str) -> None:
    """Nor deletes one, but for beat, which declares the two that it sends to."""
    assert worker.is_alive()
    for name in (*QUEUES, UNNAMED):
        refused = [Queue.purge, take, consume]
        if (user, name) not in {("scrip_beat", "admin"), ("scrip_beat", "sweeps")}:
            refused.append(Queue.delete)
        for attempt in refused:
            with Connection(url_of(rabbit, user)) as connection, pytest.raises(AccessRefused):
                attempt(Queue(name)(connection.default_channel))


def take(queue: Queue) -> None:
    """Take a message."""
    queue.get(no_ack=True)


def consume(queue: Queue) -> None:
    """Begin to receive messages."""
    Consumer(queue.channel, [queue], no_ack=True, auto_declare=False).consume()


@pytest.mark.parametrize("user", ["scrip_flower", "scrip_metrics"])
def test_whoever_only_reads_sends_no_task(rabbit: RabbitMq, worker: Worker, user: str) -> None:
    """The default exchange is closed to them, and so is that of the workers."""
    assert worker.is_alive()
    for exchange in ("", "scrip"):
        with Connection(url_of(rabbit, user), transport_options={"confirm_publish": True}) as connection:
            with pytest.raises(AccessRefused):
                connection.Producer().publish({}, exchange=exchange, routing_key="redemptions")
            connection.close()
