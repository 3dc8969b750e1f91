"""`scrip metrics`: every metric of the definitions, with and without its servers, and to nobody else."""

import os
import re
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import psutil
import pytest
from kombu.utils.json import dumps
from redis import Redis

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.broker import UNACKNOWLEDGED, with_redis
from tests.metrics.exporter import CHECKOUT, Exporter, begin, running_exporter
from tests.support.administrator import administrators_broker_url
from worker.metrics.counter_file import CounterFile
from worker.metrics.definitions import (
    ANSWERS,
    BATCH_SECONDS,
    COUNTED,
    METRICS,
    READ_FROM_BROKER,
    READ_FROM_DATABASE,
    Metric,
)
from worker.queues import QUEUES, UNNAMED_QUEUE

# A database of Valkey from which no worker reads.
UNREAD = 10
UNREADABLE = "unreadable"
CREDENTIALS = "prometheus:word:with:colons"


@pytest.fixture(scope="module")
def variables(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the variables of an exporter with a folder."""
    folder = tmp_path_factory.mktemp("metrics")
    return with_redis(environment, number=UNREAD) | {"SCRIP_METRICS_FOLDER": str(folder)}


@pytest.fixture(scope="module")
def exporter(variables: dict[str, str]) -> Iterator[Exporter]:
    """Run an exporter for the module. It must end when it is asked to."""
    with running_exporter(variables) as exporter:
        yield exporter
        assert exporter.stop() == 0


@pytest.fixture
def redis(variables: dict[str, str]) -> Iterator[Redis]:
    """Yield a client of the broker, which is empty before and after the test."""
    with Redis.from_url(administrators_broker_url(variables["REDIS_URL"])) as client:
        client.flushdb()
        yield client
        client.flushdb()


def names_of(*metrics: Metric) -> set[str]:
    """Return the names of metrics."""
    return {each.name for each in metrics}


@pytest.mark.usefixtures("database", "redis")
def test_every_metric_is_served_with_its_type_and_no_other(exporter: Exporter) -> None:
    """Those without a value yet too, so that a dashboard finds their names."""
    assert exporter.types() == {each.name: str(each.kind) for each in METRICS}


@pytest.mark.usefixtures("database", "redis")
def test_the_page_lists_every_metric_that_is_served(exporter: Exporter) -> None:
    """With its type, its labels, its meaning and a query in which it stands."""
    page = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
    sections = re.findall(
        r"^### `(\w+)`\n\n(\w+)\. Labels: (.*?)\.(?: .*)?\n\n(?s:.*?)```promql\n(.*?)\n", page, re.MULTILINE
    )
    assert {name: kind.lower() for name, kind, _, _ in sections} == exporter.types()
    assert all(re.search(rf"\b{name}\b|\b{name}_(bucket|sum|count)\b", query) for name, _, _, query in sections)
    labels = {name: tuple(re.findall("`(.*?)`", words)) for name, _, words, _ in sections}
    assert labels == {each.name: each.labels for each in METRICS}


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_messages_in_each_state_are_told(exporter: Exporter, redis: Redis) -> None:
    """Ready, taken, waiting until they are due, and unreadable."""
    now, _ = redis.time()
    entry = dumps([{"body": ""}, "", "billing"])
    redis.hset(UNACKNOWLEDGED, mapping={f"tag-{number}": entry for number in range(5)})
    redis.zadd(
        "unacked_index", {"tag-0": now - 3, "tag-1": now - 3, "tag-2": now + 900, "tag-3": now + 900, "tag-4": 1}
    )
    redis.lpush("redemptions", "one", "two")
    redis.lpush("redemptions\x06\x169", "three")
    redis.lpush(UNREADABLE, "no message")
    # A scrape within two seconds may show the earlier state.
    samples = exporter.samples()
    while not samples["scrip_unreadable_messages",]:
        samples = exporter.samples()
    told = {key[1:]: value for key, value in samples.items() if key[0] == "scrip_queue_messages" and value}
    assert told == {("billing", "taken"): 3, ("billing", "waiting"): 2, ("redemptions", "ready"): 3}
    ages = {key[1] for key in samples if key[0] == "scrip_queue_oldest_age_seconds"}
    assert ages == {*QUEUES, UNNAMED_QUEUE}


@pytest.mark.usefixtures("database", "redis")
def test_the_counts_of_all_workers_of_the_folder_are_added_up(exporter: Exporter, variables: dict[str, str]) -> None:
    """The exporter itself keeps nothing."""
    files = [CounterFile(Path(variables["SCRIP_METRICS_FOLDER"])) for _ in range(3)]
    for number, file in enumerate(files, start=1):
        file.add(ANSWERS, number, "billing.apply", "applied", "")
        file.observe(BATCH_SECONDS, 0.3, "billing.apply")
    samples = exporter.samples()
    assert samples["scrip_answers_total", "applied", "", "billing.apply"] == 6
    assert samples["scrip_batch_seconds_count", "billing.apply"] == 3
    assert samples["scrip_batch_seconds_bucket", "0.2", "billing.apply"] == 0
    assert samples["scrip_batch_seconds_bucket", "0.5", "billing.apply"] == 3
    assert samples["scrip_counters_up",] == 1
    for file in files:
        file.close()


@pytest.mark.slow
def test_without_its_servers_an_exporter_says_so_and_serves_the_rest(variables: dict[str, str], tmp_path: Path) -> None:
    """What it cannot know is absent, and no scrape fails."""
    file = CounterFile(tmp_path)
    file.add(ANSWERS, 1, "billing.apply", "applied", "")
    file.close()
    nowhere = {
        "DATABASE_READER_URL": f"postgresql://scrip@{LOOPBACK}:{free_port()}/scrip",
        "REDIS_URL": f"redis://{LOOPBACK}:{free_port()}/0",
        "SCRIP_METRICS_FOLDER": str(tmp_path),
    }
    with running_exporter(variables | nowhere) as exporter:
        samples = exporter.samples()
        assert (samples["scrip_database_up",], samples["scrip_broker_up",], samples["scrip_counters_up",]) == (0, 0, 1)
        assert samples["scrip_answers_total", "applied", "", "billing.apply"] == 1
        assert {name for name, *_ in samples}.isdisjoint(names_of(*READ_FROM_DATABASE, *READ_FROM_BROKER))


@pytest.mark.slow
def test_a_server_that_hangs_makes_no_scrape_late(variables: dict[str, str]) -> None:
    """It accepts the connection and says nothing. Prometheus gives up after ten seconds."""
    with socket.create_server((LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1]
        hanging = {
            "DATABASE_READER_URL": f"postgresql://scrip@{LOOPBACK}:{port}/scrip",
            "REDIS_URL": f"redis://{LOOPBACK}:{port}/0",
        }
        with running_exporter(variables | hanging) as exporter:
            samples = exporter.samples()
            assert (samples["scrip_database_up",], samples["scrip_broker_up",]) == (0, 0)
            assert exporter.stop() == 0


@pytest.mark.slow
def test_a_damaged_file_of_a_worker_is_told(variables: dict[str, str], tmp_path: Path) -> None:
    """A sum without it would be too low, so there is none."""
    file = CounterFile(tmp_path)
    file.add(ANSWERS, 1, "billing.apply", "applied", "")
    file.close()
    (tmp_path / "counter_2.db").write_bytes(b"\x07")
    with running_exporter(variables | {"SCRIP_METRICS_FOLDER": str(tmp_path)}) as exporter:
        samples = exporter.samples()
    assert samples["scrip_counters_up",] == 0
    assert {name for name, *_ in samples}.isdisjoint(names_of(*COUNTED))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "is_up"), [("new/metrics", 1), ("file", 0)])
def test_a_folder_in_which_no_worker_has_counted_is_made(
    variables: dict[str, str], tmp_path: Path, name: str, is_up: int
) -> None:
    """Unless that is impossible, which the metrics say."""
    (tmp_path / "file").touch()
    with running_exporter(variables | {"SCRIP_METRICS_FOLDER": str(tmp_path / name)}) as exporter:
        assert exporter.samples()["scrip_counters_up",] == is_up


@pytest.mark.slow
def test_without_a_folder_nothing_is_said_of_workers(variables: dict[str, str]) -> None:
    """An exporter may run on a machine without workers."""
    without = {name: value for name, value in variables.items() if name != "SCRIP_METRICS_FOLDER"}
    with running_exporter(without) as exporter:
        samples = exporter.samples()
    assert samples["scrip_database_up",] == 1
    assert ("scrip_counters_up",) not in samples


@pytest.mark.usefixtures("database", "redis")
def test_an_exporter_listens_on_the_loopback_interface_only(exporter: Exporter) -> None:
    """Unless the settings say otherwise."""
    listening = [
        each.laddr
        for each in psutil.Process(exporter.process.pid).net_connections("inet")
        if each.status == psutil.CONN_LISTEN
    ]
    assert [tuple(each) for each in listening] == [(LOOPBACK, exporter.port)]


@pytest.mark.slow
def test_the_password_is_asked_for(variables: dict[str, str]) -> None:
    """A health check needs none, and learns nothing."""
    with running_exporter(variables | {"SCRIP_METRICS_BASIC_AUTH": CREDENTIALS}) as exporter:
        for credentials in (None, "prometheus:wrong", "prometheus", f"{CREDENTIALS}s"):
            assert exporter.get(credentials=credentials) == (HTTPStatus.UNAUTHORIZED, "Unauthorized\n")
        status, page = exporter.get(credentials=CREDENTIALS)
        assert (status, "scrip_database_up 1" in page) == (HTTPStatus.OK, True)
        assert exporter.get("/healthcheck") == (HTTPStatus.OK, "OK\n")


@pytest.mark.usefixtures("database", "redis")
def test_nothing_else_is_served(exporter: Exporter) -> None:
    """Whatever the path."""
    assert [exporter.get(path)[0] for path in ("/", "/favicon.ico", "/metrics/", "/../etc/passwd")] == [404] * 4


@pytest.mark.slow
def test_a_setting_that_cannot_be_used_ends_the_start_with_one_line(variables: dict[str, str]) -> None:
    """The tests of the settings have the others."""
    ended = begin(variables | {"SCRIP_METRICS_LISTEN": "0.0.0.0:9808"})
    output, errors = ended.communicate(timeout=60)
    assert (ended.returncode, output) == (2, "")
    (line,) = errors.splitlines()
    assert line.endswith("SCRIP_METRICS_BASIC_AUTH is required if SCRIP_METRICS_LISTEN is not a loopback address")


@pytest.mark.slow
def test_a_port_that_is_taken_ends_the_start_with_one_line(variables: dict[str, str]) -> None:
    """The supervisor of `scrip up` knows the words, and takes another port."""
    with socket.create_server((LOOPBACK, 0)) as other:
        address = f"{LOOPBACK}:{other.getsockname()[1]}"
        ended = begin(variables | {"SCRIP_METRICS_LISTEN": address})
        _, errors = ended.communicate(timeout=60)
    assert ended.returncode == 2
    assert errors == f"scrip: {address} cannot be listened on: {os.strerror(98)}\n"
