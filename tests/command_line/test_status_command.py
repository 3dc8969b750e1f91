"""`scrip status`: each part is told, and one that is red ends the command with exit code 1."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import text

from models.base import read_clock
from models.monitoring.recorded_audit import AuditKind, begin_audit, end_audit
from models.sweeps.recorded_sweep import begin_sweep
from scrip.commands import status_parts
from scrip.commands.status_parts import shown_age
from tasks.monitoring.beat_ticks import store_tick
from tasks.monitoring.queue_looks import look
from tasks.wire.dead_letters import give_up
from tests.command_line.running import Done, scrip, scrip_alone, scrip_on_terminal
from tests.end_to_end.broker import with_redis
from tests.end_to_end.programs import Worker
from tests.support.administrator import administrators_broker_url, as_administrator
from tests.support.tasks import task_named
from worker.broker.fetch_script import SET_ASIDE_KEY
from worker.database import transaction
from worker.intake.delivery import Original
from worker.monitoring.kept_queue_ages import KEY

pytestmark = pytest.mark.usefixtures("database", "without_rests")

# A database of Valkey that no other test uses.
STATUS = 14
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
QUEUES = ["queue redemptions", "queue billing", "queue admin", "queue sweeps", "queue celery"]
AUDITS = ["audit of changes", "audit of everything"]
OF_DATABASE, OF_BROKER = ["migrations", "beat", "sweep", *AUDITS], [*QUEUES[:4], "workers"]


@pytest.fixture
def broker(environment: dict[str, str]) -> Iterator[Redis]:
    """Yield a client of the broker, which is empty before and after."""
    with Redis.from_url(administrators_broker_url(environment["REDIS_URL"])) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command wait no longer for workers, of which there are none."""
    monkeypatch.setattr(status_parts, "ANSWER_SECONDS", (0.01,))


def parts(done: Done) -> dict[str, dict[str, Any]]:
    """Return the parts by their names."""
    return {each["part"]: each for each in done.lines()}


def red(done: Done) -> set[str]:
    """Return the parts that are red."""
    return {name for name, each in parts(done).items() if each["state"] == "red"}


@pytest.mark.slow
def test_a_system_that_runs_is_all_right(tmp_path: Path, environment: dict[str, str]):
    """Every part is ok: a worker reads every queue, beat ticks, and the sweep ends."""
    store_tick()
    task_named("expiry.sweep")(request={})
    for kind in AuditKind:
        task_named("audit.run")(request={"kind": kind})
    variables = with_redis(environment, number=STATUS)
    with Worker(folder=tmp_path / "status", environment=variables, children=1) as worker:
        worker.wait_ready()
        done = scrip_alone("status", "--json", **variables)
        told = parts(done)
        assert {name: each["state"] for name, each in told.items()} == dict.fromkeys(
            [
                *("database", "migrations", "beat", "sweep", *AUDITS, "dead letters", "broker"),
                *QUEUES,
                *("unreadable texts", "workers"),
            ],
            "ok",
        ), worker.log
        assert (done.code, done.errors) == (0, "")
        assert {queue: len(workers) for queue, workers in told["workers"]["readers"].items()} == {
            "redemptions": 1,
            "billing": 1,
            "admin": 1,
            "sweeps": 1,
        }
        code, shown = scrip_on_terminal("status", variables=variables)
        assert code == 0
        assert "1 answered" in shown


@pytest.mark.slow
@pytest.mark.usefixtures("without_waiting", "broker")
def test_nothing_that_has_to_run_runs():
    """On a new database: no beat, no sweep and no worker. A terminal shows them in red."""
    done = scrip("status", "--json")
    assert (done.code, done.errors) == (1, "")
    assert red(done) == {"beat", "sweep", "workers"}
    assert parts(done)["workers"]["detail"] == "0 answered, and none reads redemptions, billing, admin, sweeps"
    assert ["beat", "red", "has never ticked"] in scrip("status").rows()
    code, shown = scrip_on_terminal("status")
    assert (code, "\x1b[1;31m" in shown) == (1, True)


@pytest.mark.usefixtures("without_waiting", "broker")
def test_beat_and_the_sweep_are_late():
    """By the clock of the database. A sweep that has not ended does not count."""
    store_tick()
    task_named("expiry.sweep")(request={})
    assert red(scrip("status", "--json")) == {"workers"}
    with as_administrator() as session:
        session.execute(text("UPDATE beat_ticks SET ticked_at = ticked_at - interval '1 hour'"))
        session.execute(
            text(
                "UPDATE sweeps SET started_at = started_at - interval '1 day 2 hours',"
                " ended_at = ended_at - interval '1 day 2 hours'"
            )
        )
    done = scrip("status", "--json")
    assert red(done) == {"beat", "sweep", "audit of changes", "workers"}
    assert parts(done)["beat"]["detail"] == "ticked 1 h ago"
    assert parts(done)["sweep"]["detail"] == "ended 1 d 2 h ago"


@pytest.mark.usefixtures("without_waiting", "broker")
@pytest.mark.parametrize(("hours", "late"), [(1, set()), (2, {"audit of changes"}), (31, set(AUDITS))])
def test_audits_that_never_began_are_late(hours: int, late: set[str]):
    """The time counts from the first sweep, which shows how long the system has been running."""
    with transaction() as session:
        begin_sweep(session, now=read_clock(session) - timedelta(hours=hours))
        begin_sweep(session, now=read_clock(session))
    told = parts(scrip("status", "--json"))
    assert {name for name in AUDITS if told[name]["state"] == "red"} == late


@pytest.mark.usefixtures("without_waiting", "broker")
def test_an_audit_is_late_or_has_found_a_violation():
    """A violation stays red until an audit of everything finds nothing. Before the first audit, nothing is known."""
    assert {parts(scrip("status", "--json"))[name]["state"] for name in AUDITS} == {"unknown"}
    task_named("audit.run")(request={"kind": "changes"})
    assert parts(scrip("status", "--json"))["audit of everything"]["state"] == "unknown"
    # A system on which no audit of everything ends is not a new one for ever.
    with as_administrator() as session:
        earlier = "started_at = started_at - interval '31 hours', changed_since = 'epoch'"
        session.execute(text(f"UPDATE audits SET {earlier}"))  # noqa: S608 - the text above
    told = parts(scrip("status", "--json"))["audit of everything"]
    assert (told["state"], told["detail"]) == ("red", "has never ended")
    task_named("audit.run")(request={"kind": "everything"})
    with as_administrator() as session:
        earlier = "started_at = started_at - interval '29 hours', ended_at = ended_at - interval '29 hours'"
        session.execute(text(f"UPDATE audits SET changed_since = changed_since - interval '29 hours', {earlier}"))  # noqa: S608 - the text above
    told = parts(scrip("status", "--json"))
    assert [(told[name]["state"], told[name]["detail"]) for name in AUDITS] == [
        ("red", "ended 1 d 5 h ago"),
        ("ok", "ended 1 d 5 h ago"),
    ]
    for violations in (2, 0):
        with transaction() as session:
            audit = begin_audit(session, kind=AuditKind.CHANGES, now=read_clock(session), changed_since=LONG_AGO)
            end_audit(session, audit=audit, checks=69, violations=violations, findings=[])
        part = parts(scrip("status", "--json"))["audit of changes"]
        assert (part["state"], part["detail"]) == ("red", "ended 0 s ago, 2 violations")
    task_named("audit.run")(request={"kind": "everything"})
    assert {parts(scrip("status", "--json"))[name]["state"] for name in AUDITS} == {"ok"}


@pytest.mark.usefixtures("without_waiting")
def test_messages_that_need_somebody_are_red(broker: Redis):
    """Dead letters and unreadable texts wait for an operator."""
    original = Original(
        queue="admin", headers={}, body=b"{}", content_type="application/json", content_encoding="utf-8"
    )
    for number in range(2):
        give_up(key=("gigs", f"task-{number}"), task="vouchers.create", original=original, reason="x", attempts=3)
    broker.lpush(SET_ASIDE_KEY, "text")
    done = scrip("status", "--json")
    assert {"dead letters", "unreadable texts"} <= red(done)
    assert (parts(done)["dead letters"]["count"], parts(done)["unreadable texts"]["count"]) == (2, 1)


@pytest.mark.usefixtures("without_waiting")
def test_a_message_that_has_waited_too_long_is_red(broker: Redis):
    """As long as looks can tell: those of beat and of this command."""
    broker.lpush("billing", '{"properties": {"delivery_tag": "one"}}')
    look()
    assert parts(scrip("status", "--json"))["queue billing"]["ready"] == 1
    state = json.loads(broker.get(KEY) or "")
    state["lists"]["billing"][0][1] -= 400
    broker.set(KEY, json.dumps(state))
    done = scrip("status", "--json")
    assert "queue billing" in red(done)
    assert parts(done)["queue billing"]["oldest_age_at_least_seconds"] >= 400
    assert parts(done)["queue billing"]["detail"].startswith("1 ready, 0 taken, 0 waiting, the oldest for 6 min ")
    assert "queue billing" not in red(scrip("status", "--json", "--oldest-max", "1h"))
    assert scrip("status", "--oldest-max", "long").code == 2


@pytest.fixture
def older_schema() -> Iterator[None]:
    """Let the database say that a migration is missing."""
    with as_administrator() as session:
        head = session.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    yield
    with as_administrator() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head})


@pytest.mark.usefixtures("without_waiting", "broker", "older_schema")
def test_a_database_that_was_not_migrated_is_red():
    """The text says how far it is, and how far it has to be."""
    migrations = parts(scrip("status", "--json"))["migrations"]
    assert (migrations["state"], migrations["found"]) == ("red", ["0001"])
    assert migrations["detail"] == f"at 0001, needs {migrations['needed'][0]}"


@pytest.mark.slow
@pytest.mark.usefixtures("without_waiting", "broker")
def test_a_server_that_is_away_is_red_and_hides_what_depends_on_it():
    """Exit code 1, because the command has found something. The password is not shown."""
    away = scrip_alone("status", "--json", DATABASE_URL="postgresql://scrip:s3cr3t@127.0.0.1:1/none")
    assert (away.code, "s3cr3t" in away.output) == (1, False)
    assert "database" in red(away)
    assert [parts(away)[name]["state"] for name in OF_DATABASE] == ["unknown"] * len(OF_DATABASE)
    away = scrip_alone("status", "--json", BROKER_URL="redis://127.0.0.1:1/0")
    assert (away.code, "broker" in red(away)) == (1, True)
    assert [parts(away)[name]["state"] for name in OF_BROKER] == ["unknown"] * len(OF_BROKER)
    assert parts(away)["database"]["state"] == "ok"


@pytest.mark.slow
def test_without_addresses_nothing_was_looked_at():
    """The exit code differs from that of a red part."""
    done = scrip_alone("status", "--json", DATABASE_URL="")
    assert (done.code, done.output) == (2, "")
    assert json.loads(done.errors)["exitCode"] == 2


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.9, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (7_500, "2 h 5 min"), (180_000, "2 d 2 h")],
)
def test_an_age_is_shown_in_its_largest_units(seconds: float, shown: str):
    """Two of them at most."""
    assert shown_age(seconds) == shown
