"""Every line that a process writes is a JSON object if SCRIP_LOG_FORMAT is `json`, whatever happens to the process."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scrip.stack.listener import LOOPBACK, free_port
from tests.end_to_end.broker import Broker, Json, with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, waiting_for_locks
from tests.end_to_end.flower import Flower
from tests.end_to_end.programs import Program, Worker
from tests.end_to_end.vouchers import created_voucher
from tests.metrics.exporter import begin
from tests.support.overdue_schedule import write_overdue_schedule
from tests.support.requests import redemption
from tests.support.schema import alembic
from tests.support.waiting import DEADLINE_SECONDS, eventually

pytestmark = pytest.mark.slow

# A database of Valkey for the worker, and one from which no worker reads.
LOGGING, UNREAD = 10, 6
REDEEM, REDEEM_MANY = "redemptions.redeem", "redemptions.redeem_many"
HEADING = ["time", "level", "logger", "message", "program", "process", "pid"]
RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")
SWEPT = (
    "expired",
    "maxRedemptionsReached",
    "completed",
    "codesExpired",
    "codesMaxRedemptionsReached",
    "holdsLapsed",
)


def lines_in(log: str) -> list[Json]:
    """Return the objects of a log whose lines must all be JSON."""
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(list(line)[: len(HEADING)] == HEADING for line in lines)
    assert all(RFC_3339.fullmatch(line["time"]) for line in lines)
    return lines


def events_in(log: str, event: str, **fields: object) -> list[Json]:
    """Return the lines of an event with those fields."""
    return [line for line in lines_in(log) if {**line, **fields, "event": event} == line]


@pytest.fixture(scope="module")
def running(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Worker, Client]]:
    """Run a worker whose log is JSON for the module, and yield worker and client."""
    variables = with_redis(environment, number=LOGGING) | {"SCRIP_LOG_FORMAT": "json"}
    folder = tmp_path_factory.mktemp("json")
    with Worker(folder=folder, environment=variables, log_level="INFO") as worker, Client(variables) as client:
        yield worker.wait_ready(), client
        assert worker.stop() == 0, worker.log
        assert [line["level"] for line in lines_in(worker.log) if "Warm shutdown" in line["message"]] == ["INFO"]


@pytest.fixture
def logging_worker(
    database: dict[str, str],  # noqa: ARG001 - first, so that the audit comes last
    running: tuple[Worker, Client],
) -> Iterator[tuple[Worker, Client, int]]:
    """Yield worker, client and the length of the log. Afterwards every message is acknowledged, every line JSON."""
    worker, client = running
    yield worker, client, len(worker.log)
    worker.wait_until_acknowledged()
    lines_in(worker.log)


def test_a_batch_has_one_line_with_its_counts(logging_worker: tuple[Worker, Client, int]) -> None:
    """Of a mixed bulk request: accepted, refused and invalid. No message has a line of its own."""
    worker, client, since = logging_worker
    voucher = created_voucher(client, restrictions={"maximumRedemptions": 3})
    bulk = [*(redemption(voucher=voucher) for _ in range(5)), {"project": "gigs"}]
    answer = client.ask(REDEEM_MANY, {"requests": bulk})
    assert Counter(each["outcome"] for each in answer["items"]) == {"accepted": 3, "refused": 2, "invalid": 1}
    (line,) = worker.eventually(lambda: events_in(worker.log[since:], "batch", task=REDEEM_MANY))
    assert line["program"].startswith("json")
    assert line["process"] == "MainProcess"
    assert {name: line[name] for name in ("messages", "outcomes", "reasons", "attempt")} == {
        "messages": 1,
        "outcomes": {"accepted": 3, "refused": 2, "invalid": 1},
        "reasons": {"max_redemptions_reached": 2},
        "attempt": 1,
    }
    assert 0 < line["seconds"] < 60
    assert line["level"] == "INFO"
    assert "received" not in worker.log
    assert "succeeded" not in worker.log


def test_the_lines_of_gathered_messages_add_up(logging_worker: tuple[Worker, Client, int]) -> None:
    """A failure counts under the name of its error."""
    worker, client, since = logging_worker
    voucher = created_voucher(client)
    sent = [client.send(REDEEM, redemption(voucher=voucher)) for _ in range(40)]
    sent += [client.send(REDEEM, redemption(voucher=voucher, customer=None)) for _ in range(2)]
    for each in sent:
        client.outcome(each)
    worker.wait_until_acknowledged()
    lines = worker.eventually(lambda: complete_batches(worker.log[since:], messages=len(sent)))
    assert len(lines) < len(sent)
    outcomes = sum((Counter(line["outcomes"]) for line in lines), Counter[str]())
    assert outcomes == {"accepted": 40, "failed": 2}
    assert sum((Counter(line["reasons"]) for line in lines), Counter[str]()) == {"InvalidRequest": 2}


def complete_batches(log: str, *, messages: int) -> list[Json]:
    """Return the lines of batches of redemptions if they have so many messages together, or none."""
    lines = events_in(log, "batch", task=REDEEM)
    return lines if sum(line["messages"] for line in lines) == messages else []


def test_a_sweep_has_a_line_with_its_six_counts(logging_worker: tuple[Worker, Client, int]) -> None:
    """The child writes it."""
    worker, client, since = logging_worker
    client.ask("expiry.sweep", {})
    (line,) = worker.eventually(lambda: events_in(worker.log[since:], "sweep"))
    assert line["counts"] == dict.fromkeys(SWEPT, 0)
    assert 0 < line["seconds"] < 60
    assert line["process"].startswith("ForkPoolWorker")


def test_lines_about_a_killed_child_and_a_bad_message_are_json(logging_worker: tuple[Worker, Client, int]) -> None:
    """The batch runs again, and its line says so."""
    worker, client, since = logging_worker
    url = worker.environment["DATABASE_URL"]
    voucher = created_voucher(client, name="Held")
    client.broker.redis.lpush("redemptions", "no message")
    client.app.send_task("redemptions.unheard", queue="redemptions")
    with holding_voucher(url, name="Held"):
        sent = client.send(REDEEM, redemption(voucher=voucher))
        (port, *_) = worker.eventually(lambda: waiting_for_locks(url))
        child = worker.child_with_port(port)
        assert child
        child.kill()
        (lost,) = worker.eventually(lambda: events_in(worker.log[since:], "child_lost"))
    assert client.answer(sent)["outcome"] == "accepted"
    (line,) = worker.eventually(lambda: events_in(worker.log[since:], "batch", task=REDEEM))
    assert (lost["level"], lost["task"], lost["messages"], lost["attempt"]) == ("ERROR", REDEEM, 1, 1)
    assert line["attempt"] == 2
    messages = "\n".join(line["message"] for line in lines_in(worker.log[since:]))
    assert "dropped a message: there is no task 'redemptions.unheard'" in messages
    assert "moved 1 texts that are not messages to unreadable" in messages


def test_the_lines_of_beat_and_flower_are_json(database: dict[str, str], tmp_path: Path) -> None:
    """Without Celery's banner."""
    schedule = tmp_path / "schedule"
    write_overdue_schedule(schedule)
    variables = with_redis(database, number=UNREAD)
    variables |= {"SCRIP_LOG_FORMAT": "json", "SCRIP_BEAT_SCHEDULE_FILE": str(schedule)}
    with (
        Program("beat", "--loglevel", "INFO", folder=tmp_path / "beat", environment=variables) as beat,
        Flower(folder=tmp_path / "flower", environment=variables) as flower,
    ):
        eventually(lambda: "Sending due task" in beat.log or not beat.is_alive())
        eventually(lambda: flower.is_answering() or not flower.is_alive())
        assert (beat.is_alive(), flower.is_alive()) == (True, True), f"{beat.log}{flower.log}"
        beat.stop()
        flower.stop()
        assert {line["program"] for line in lines_in(beat.log)} == {"beat"}
        assert {line["program"] for line in lines_in(flower.log)} == {"flower"}
    Broker(variables).redis.flushdb()


def test_the_lines_of_an_exporter_and_of_migrations_are_json(database: dict[str, str]) -> None:
    """The exporter announces its address in the log."""
    variables = database | {"SCRIP_LOG_FORMAT": "json", "SCRIP_METRICS_LISTEN": f"{LOOPBACK}:{free_port()}"}
    exporter = begin(variables)
    assert exporter.stderr
    (line,) = lines_in(exporter.stderr.readline())
    exporter.terminate()
    output, errors = exporter.communicate(timeout=DEADLINE_SECONDS)
    assert (line["program"], output, errors) == ("metrics", "", "")
    assert line["message"].startswith("metrics: http://")
    migrated = alembic(variables, "upgrade", "head")
    assert {line["program"] for line in lines_in(migrated.stderr)} == {"alembic"}
