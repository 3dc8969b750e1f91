"""Canaries in every field of every task: nobody but the caller sees them, wherever one may look."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.wire.dead_letters import give_up
from tests.contract.page import Identities, steps
from tests.end_to_end import recorded_spans
from tests.end_to_end.broker import with_redis
from tests.end_to_end.client import Client
from tests.end_to_end.events import events_of, receiving_events
from tests.end_to_end.flower import Flower, running_flower
from tests.end_to_end.programs import Worker
from tests.end_to_end.test_secrecy import MARK, PLANTED_TEXTS, planted
from tests.metrics.exporter import Exporter, running_exporter
from tests.support.waiting import eventually
from worker.intake.delivery import Original

# A database of Valkey.
CANARIES = 6
# These ids are shown, so that an operator finds a request.
SHOWN_IDS = {
    "project", "requestId", "request_id", "organization_id", "aid", "customer", "subscription", "invoice", "ref",
}  # fmt: skip
SECRET_TEXTS = PLANTED_TEXTS - SHOWN_IDS
# A key that no task knows.
KEY = f"{MARK}-KEY"
# Each amount becomes a number of twelve digits that begins like this.
NUMBER, DIGITS = 313_370_000_000, r"(?<![0-9a-f.])31337\d{7}(?![0-9a-f])"
CANARY = re.compile(rf".{{0,60}}(?:{MARK}|{DIGITS}).{{0,60}}", re.IGNORECASE)
STRANGER = "stranger"
# Lists of another project, by task.
LISTS: dict[str, dict[str, Any]] = {
    "vouchers.list": {},
    "redemptions.list": {"customer": "cus_1"},
    "holds.list": {"customer": "cus_1"},
    "discounts.list": {"customer": "cus_1"},
    "billing.list": {"customer": "cus_1"},
    "reversals.list": {"customer": "cus_1"},
    "dead_letters.list": {},
    "support.explain": {"customer": "cus_1"},
    "reports.discounts": {},
}


class Watched(NamedTuple):
    """A worker, and all that looks at it."""

    worker: Worker
    client: Client
    flower: Flower
    exporter: Exporter
    spans: Path


@pytest.fixture
def watched(database: dict[str, str], tmp_path: Path) -> Iterator[Watched]:
    """Run a worker that logs at DEBUG, traces and counts, beside Flower and an exporter."""
    spans = tmp_path / "spans"
    variables = with_redis(database, number=CANARIES) | {
        recorded_spans.VARIABLE: str(spans),
        "SCRIP_METRICS_FOLDER": str(tmp_path / "metrics"),
    }
    worker = Worker(folder=tmp_path / "worker", environment=variables)
    worker.words = (*worker.words, "--include", recorded_spans.__name__)
    with (
        worker,
        Client(variables) as client,
        running_flower(tmp_path / "flower", variables) as flower,
        running_exporter(variables) as exporter,
    ):
        worker.wait_ready()
        eventually(lambda: json.loads(flower.get("/workers?json=1"))["data"])
        yield Watched(worker, client, flower, exporter, spans)


def send_everything(client: Client) -> tuple[list[str], int]:
    """Send each example with canaries in its values, and again with one as a key. Return the ids, and the successes."""
    identities, sent, successes = Identities(), [], 0
    for step in steps():
        request = planted(identities.substitute(step.request), texts=SECRET_TEXTS, number=NUMBER)
        for each in (request, {**request, KEY: KEY}, {name: [KEY] for name in request}, [KEY]):
            sent.append(client.send(step.task, each))
            outcome = client.outcome(sent[-1])
            if outcome["status"] == "SUCCESS" and each is request:
                successes += 1
                identities.differences(step.answer, outcome["result"])
            if outcome["status"] != "SUCCESS":
                # The sender itself is told which fields are bad, but no key of its own: others see errors too.
                assert KEY not in json.dumps(outcome)
    return sent, successes


def pages_of(flower: Flower, *, tasks: list[str]) -> str:
    """Return every page of Flower, with those of the tasks."""
    (worker,) = (each["hostname"] for each in json.loads(flower.get("/workers?json=1"))["data"])
    paths = ["/", "/workers", f"/worker/{worker}", "/tasks", "/broker", "/api/tasks", "/api/workers?refresh=1"]
    paths += [f"{page}/{each}" for each in tasks for page in ("/task", "/api/task/info")]
    return "\n".join([json.dumps(flower.tasks()), *(flower.ask(each)[1] for each in paths)])


def canaries_in(text: str) -> list[str]:
    """Return each canary with the text around it."""
    return [found[0] for found in CANARY.finditer(text)]


@pytest.mark.slow
def test_nobody_sees_a_canary(watched: Watched, database: Mapping[str, str]) -> None:
    """In logs, events, Flower, other projects, dead letters, metrics, traces and the log of PostgreSQL."""
    postgres_log = Path(database["SCRIP_BEAT_SCHEDULE_FILE"]).parent / "logs" / "postgres.log"
    postgres_since = len(postgres_log.read_text())
    body = json.dumps([[], {"request": {"project": STRANGER, "code": KEY, KEY: NUMBER}}, {}]).encode()
    headers = {"id": "dead", "argsrepr": "()", "kwargsrepr": f"{{'project': '{STRANGER}'}}"}
    letter = Original(
        queue="admin", headers=headers, body=body, content_type="application/json", content_encoding="utf-8"
    )
    give_up(key=(STRANGER, "dead"), task="vouchers.list", original=letter, reason="Fault", attempts=3)
    client = watched.client
    with client.app.connection_for_read() as connection, receiving_events(client.app, connection) as receive:
        sent, successes = send_everything(client)
        others = [client.answer(client.send(task, {"project": STRANGER, **body})) for task, body in LISTS.items()]
        events = events_of(receive, *sent)
    assert successes > len(steps()) / 2
    seen = {
        "events": json.dumps(events, indent=0),
        "Flower": pages_of(watched.flower, tasks=sent),
        "others": json.dumps(others, indent=0),
        "metrics": watched.exporter.get()[1],
    }
    assert "dead" in seen["others"]
    watched.worker.wait_until_acknowledged()
    assert watched.worker.stop() == 0
    seen |= {
        "log": watched.worker.log,
        "traces": watched.spans.read_text(),
        "PostgreSQL": postgres_log.read_text()[postgres_since:],
    }
    assert all(text for name, text in seen.items() if name != "PostgreSQL")
    assert {name: found for name, text in seen.items() if (found := canaries_in(text))} == {}
