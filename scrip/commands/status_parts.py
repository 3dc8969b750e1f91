"""The parts of a running system that `scrip status` looks at, and when each is red."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu.exceptions import KombuError
from redis.exceptions import RedisError
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError

from models.monitoring.figures import COUNT_MAX, limit_statements, read_figures
from models.monitoring.recorded_audit import AuditFiguresRow, AuditKind, read_audit_figures
from models.schema_version import find_schema_versions
from models.sweeps.recorded_sweep import find_last_ended, first_sweep_age
from tasks.celery import app
from worker.database import driver_message, transaction
from worker.monitoring.kept_queue_ages import KeptQueueAges
from worker.monitoring.queue_figures import DELAYED, BrokerReader, QueueFigures
from worker.queues import QUEUES
from worker.schedule import SWEEP_PERIOD

MIGRATIONS = Path(__file__).parents[2] / "migrations"
# Beat sends a sweep every minute, and a large sweep takes some. One that was lost is no reason to wake anybody.
TICK_AGE_MAX = 3 * SWEEP_PERIOD
SWEEP_AGE_MAX = 5 * SWEEP_PERIOD
# The audit of changes waits while everything is audited, which takes an hour at most.
AUDIT_AGE_MAX = {AuditKind.CHANGES: timedelta(minutes=90), AuditKind.EVERYTHING: timedelta(hours=30)}
# A busy worker answers within a second. If one does not, all are asked again, for longer.
ANSWER_SECONDS = (1, 5)
STATEMENT_SECONDS_MAX = 5
AUDITS = tuple(f"audit of {kind}" for kind in AuditKind)
BROKER_FAULTS = (AMQPError, KombuError, RedisError, OSError)


class State(StrEnum):
    """Whether a part works."""

    OK = "ok"
    RED = "red"
    UNKNOWN = "unknown"


class Part(NamedTuple):
    """A part of the system, its state, a text for a person, and figures for a program."""

    name: str
    state: State
    detail: str
    figures: Mapping[str, Any] = {}


def all_parts(*, oldest_max: timedelta) -> Iterator[Part]:
    """Yield each part when it is known. A part that cannot be looked at because of another is unknown."""
    database = _database()
    yield database
    yield from (
        _migrations_and_figures() if database.state is State.OK else _unknown("migrations", "beat", "sweep", *AUDITS)
    )
    broker, *queues = _broker(oldest_max=oldest_max)
    yield from (broker, *queues)
    yield from [_workers()] if broker.state is State.OK else _unknown("workers")


def _unknown(*names: str) -> list[Part]:
    return [Part(name, State.UNKNOWN, "cannot be looked at") for name in names]


def _database() -> Part:
    try:
        with transaction() as session:
            version = session.connection().connection.driver_connection.info.server_version  # type: ignore[union-attr]
    except SQLAlchemyError as error:
        return Part("database", State.RED, driver_message(error))
    return Part("database", State.OK, f"PostgreSQL {version // 10_000}.{version % 10_000}")


def _migrations_and_figures() -> Iterator[Part]:
    needed = sorted(ScriptDirectory(str(MIGRATIONS)).get_heads())
    try:
        with transaction() as session:
            found = find_schema_versions(session)
    except ProgrammingError:
        found = []
    is_current = found == needed
    said = f"at {', '.join(found) or 'nothing'}" + ("" if is_current else f", needs {', '.join(needed)}")
    yield Part("migrations", State.OK if is_current else State.RED, said, {"found": found, "needed": needed})
    try:
        yield from _figures()
    except SQLAlchemyError as error:
        yield Part("figures", State.RED, driver_message(error))


def _figures() -> Iterator[Part]:
    with transaction() as session:
        limit_statements(session, seconds=STATEMENT_SECONDS_MAX)
        figures, sweep, audits = read_figures(session), find_last_ended(session), read_audit_figures(session)
        swept_for = first_sweep_age(session) or 0
    yield _aged("beat", "ticked", age=figures.beat_tick_age, age_max=TICK_AGE_MAX)
    counts = {}
    if sweep is not None:
        counts = {name: value for name, value in sweep._asdict().items() if isinstance(value, int)}  # type: ignore[attr-defined]
    yield _aged("sweep", "ended", age=figures.sweep_age, age_max=SWEEP_AGE_MAX, figures=counts)
    for kind in AuditKind:
        yield _audit(kind, next((each for each in audits if each.kind == kind), None), swept_for=swept_for)
    count = figures.dead_letters
    said = f"{count} or more" if count >= COUNT_MAX else str(count)
    yield Part("dead letters", State.RED if count else State.OK, said, {"count": count})


def _aged(
    name: str, done: str, *, age: float | None, age_max: timedelta, figures: dict[str, Any] | None = None
) -> Part:
    if age is None:
        return Part(name, State.RED, f"has never {done}", {"age_seconds": None})
    is_late = age > age_max.total_seconds()
    counted = "".join(f", {count} {each.replace('_', ' ')}" for each, count in (figures or {}).items() if count)
    said = f"{done} {shown_age(age)} ago{counted}"
    return Part(name, State.RED if is_late else State.OK, said, {"age_seconds": age, **(figures or {})})


def _audit(kind: AuditKind, last: AuditFiguresRow | None, *, swept_for: float) -> Part:
    name = f"audit of {kind}"
    if last is None or not last.has_ended:
        # On a new system, the first audit of everything is that of the first night.
        is_late = (swept_for if last is None else last.age) > AUDIT_AGE_MAX[kind].total_seconds()
        return Part(name, State.RED if is_late else State.UNKNOWN, "has never ended", {"age_seconds": None})
    part = _aged(name, "ended", age=last.age, age_max=AUDIT_AGE_MAX[kind], figures={"violations": last.violations})
    return part._replace(state=State.RED) if last.violations else part


def _broker(*, oldest_max: timedelta) -> Iterator[Part]:
    try:
        figures = BrokerReader(KeptQueueAges()).read()
    except BROKER_FAULTS as error:
        yield Part("broker", State.RED, driver_message(error))
        yield from _unknown(*(f"queue {name}" for name in QUEUES))
        return
    is_rabbitmq = figures.unreadable is None
    yield Part("broker", State.OK, "RabbitMQ" if is_rabbitmq else "Redis or Valkey")
    for name, queue in figures.queues.items():
        yield _queue(name, queue, oldest_max=oldest_max, knows_ages=not is_rabbitmq)
    if figures.unreadable is not None:
        state = State.RED if figures.unreadable else State.OK
        yield Part("unreadable texts", state, str(figures.unreadable), {"count": figures.unreadable})


def _queue(name: str, queue: QueueFigures, *, oldest_max: timedelta, knows_ages: bool) -> Part:
    counts = {"ready": queue.ready, "taken": queue.taken, "waiting": queue.waiting}
    said = ", ".join(f"{count} {each}" for each, count in counts.items() if count is not None)
    age = queue.oldest_age_seconds
    if age is not None:
        said += f", the oldest for {shown_age(age)} or longer"
    elif not knows_ages and name != DELAYED and any(counts.values()):
        said += ", for how long is not known"
    is_late = age is not None and age > oldest_max.total_seconds()
    return Part(
        f"queue {name}", State.RED if is_late else State.OK, said, {**counts, "oldest_age_at_least_seconds": age}
    )


def _workers() -> Part:
    readers: dict[str, list[str]] = {}
    for seconds in ANSWER_SECONDS:
        try:
            told = app.control.inspect(timeout=seconds).active_queues() or {}
        except BROKER_FAULTS as error:
            return Part("workers", State.RED, driver_message(error))
        readers = {name: _readers_of(name, told) for name in QUEUES}
        if all(readers.values()):
            break
    unread = [name for name, workers in readers.items() if not workers]
    said = f"{len({each for workers in readers.values() for each in workers})} answered"
    if unread:
        said += f", and none reads {', '.join(unread)}"
    return Part("workers", State.RED if unread else State.OK, said, {"readers": readers})


def _readers_of(name: str, told: dict[str, list[dict[str, Any]]]) -> list[str]:
    return sorted(worker for worker, queues in told.items() if any(each["name"] == name for each in queues))


def shown_age(seconds: float) -> str:
    """Return an age in its largest units, such as `2 h 5 min`."""
    whole = int(seconds)
    for size, unit, rest_size, rest_unit in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // rest_size
            return f"{whole // size} {unit}" + (f" {rest} {rest_unit}" if rest else "")
    return f"{whole} s"
