"""The scheduled audits: when each began and ended, and its violations."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import JSON, CheckConstraint, Integer, Text, Uuid, delete, func, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, columns_of, first_id_at, ids_at, one_of, table_of

# The project of all rows: an audit covers every project.
PROJECT = ""
# The key of the advisory lock, which is free again when the transaction ends, however it ends.
_LOCK = 8_417_702_130_995_261_003
# The random bits of an audit's id are made from the id of its message, so that the next attempt finds the row.
_MARKS = 2**46


class AuditKind(StrEnum):
    """The scope of an audit: the rows that changed since the last one, or all rows."""

    CHANGES = "changes"
    EVERYTHING = "everything"


class RecordedAudit(Base):
    """An audit. Without an end and a result, it still runs, or was interrupted."""

    __tablename__ = "audits"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    started_at: Mapped[datetime] = mapped_column(Instant)
    # The beginning of the span whose changes were checked. Null if everything was.
    changed_since: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    # How many checks were run.
    checks: Mapped[int | None] = mapped_column(Integer)
    violations: Mapped[int | None] = mapped_column(Integer)
    # The first violations, each with its check, project, subject and detail.
    findings: Mapped[list[dict[str, str]] | None] = mapped_column(JSON(none_as_null=True))

    __table_args__ = (
        CheckConstraint("project = ''", name="of_every_project"),
        CheckConstraint(one_of("kind", AuditKind), name="kind_known"),
        CheckConstraint("(kind = 'changes') = (changed_since IS NOT NULL)", name="changed_since_if_changes"),
        CheckConstraint("changed_since <= started_at", name="changed_before_start"),
        CheckConstraint("ended_at >= started_at", name="ended_after_start"),
        CheckConstraint(
            "num_nonnulls(checks, violations, findings) = CASE WHEN ended_at IS NULL THEN 0 ELSE 3 END",
            name="ended_has_result",
        ),
        CheckConstraint("least(checks, violations) >= 0", name="counted"),
    )


class AuditRow(Protocol):
    """A row of `audits`, without the project."""

    id: UUID
    kind: str
    started_at: datetime
    changed_since: datetime | None
    ended_at: datetime | None
    checks: int | None
    violations: int | None
    findings: list[dict[str, str]] | None


class AuditFiguresRow(Protocol):
    """The last audit of a kind that ended: its age in seconds, and the most violations of one audit of the kind.

    If none has ended, the age is that of the first audit that began, of either kind. The violations are those found
    since the last audit of everything began, which finds anew what is still there.
    """

    kind: str
    has_ended: bool
    age: float
    violations: int


AUDITS = table_of(RecordedAudit)
_NEWEST = (
    select(*(AUDITS.c[name] for name in columns_of(AuditRow)))
    .where(AUDITS.c.project == PROJECT)
    .order_by(AUDITS.c.id.desc())
)
_FIGURES = text("""
    SELECT kinds.kind, last.ended_at IS NOT NULL AS has_ended,
           extract(epoch FROM clock_timestamp() - coalesce(last.ended_at, oldest.started_at))::float8 AS age,
           coalesce((
               SELECT max(audits.violations) FROM audits
               WHERE audits.project = '' AND audits.kind = kinds.kind AND audits.id >= coalesce((
                   SELECT whole.id FROM audits AS whole
                   WHERE whole.project = '' AND whole.kind = 'everything' AND whole.ended_at IS NOT NULL
                   ORDER BY whole.id DESC LIMIT 1
               ), '00000000-0000-0000-0000-000000000000')
           ), 0) AS violations
    FROM (VALUES ('changes'), ('everything')) AS kinds (kind)
    CROSS JOIN LATERAL (SELECT started_at FROM audits WHERE project = '' ORDER BY id LIMIT 1) AS oldest
    LEFT JOIN LATERAL (
        SELECT ended_at FROM audits
        WHERE project = '' AND audits.kind = kinds.kind AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1
    ) AS last ON true
""")


def try_audit_lock(session: Session) -> bool:
    """Become the only audit until the transaction ends, or return False if another one runs."""
    _stay_idle(session)
    return bool(session.execute(select(func.pg_try_advisory_xact_lock(_LOCK))).scalar_one())


def await_audit_lock(session: Session) -> None:
    """Become the only audit until the transaction ends. Raises the driver's error after the lock timeout."""
    _stay_idle(session)
    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def _stay_idle(session: Session) -> None:
    # The audit works in other transactions meanwhile. Without a statement, this one has no snapshot.
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def begin_audit(
    session: Session, *, kind: AuditKind, now: datetime, changed_since: datetime | None, message: str | None = None
) -> UUID:
    """Store an audit that begins, and return its id. All attempts at a message have one row, that of the first one."""
    if message is None:
        audit = next(ids_at(now))
    else:
        audit = UUID(int=first_id_at(now).int | _mark_of(message))
        begun = _find_newest(session, kind=kind)
        if begun is not None and begun.ended_at is None and begun.id.int % _MARKS == _mark_of(message):
            return begun.id
    values = {"id": audit, "kind": kind.value, "started_at": now, "changed_since": changed_since}
    session.execute(insert(AUDITS).values(project=PROJECT, **values))
    return audit


def _mark_of(message: str) -> int:
    return int.from_bytes(sha256(message.encode()).digest()) % _MARKS


def _find_newest(session: Session, *, kind: AuditKind) -> AuditRow | None:
    return session.execute(_NEWEST.where(AUDITS.c.kind == kind.value).limit(1)).one_or_none()


def end_audit(
    session: Session, *, audit: UUID, checks: int, violations: int, findings: Sequence[Mapping[str, str]]
) -> None:
    """Store the end of an audit with its result."""
    values: dict[str, Any] = {"checks": checks, "violations": violations, "findings": findings}
    ended = update(AUDITS).where(AUDITS.c.project == PROJECT, AUDITS.c.id == audit)
    session.execute(ended.values(ended_at=func.clock_timestamp(), **values))


def forget_audits(session: Session, *, now: datetime, after: timedelta) -> None:
    """Delete the audits that began longer ago than `after`."""
    session.execute(delete(AUDITS).where(AUDITS.c.project == PROJECT, AUDITS.c.id < first_id_at(now - after)))


def newest_audits(session: Session, *, limit: int) -> Sequence[AuditRow]:
    """Return the audits that began last, newest first."""
    return session.execute(_NEWEST.limit(limit)).all()


def find_last_ended_audit(session: Session, *, before: datetime) -> AuditRow | None:
    """Return the audit that began last before an instant, of those of either kind that came to their end, or None."""
    ended = _NEWEST.where(AUDITS.c.ended_at.is_not(None), AUDITS.c.id < first_id_at(before))
    return session.execute(ended.limit(1)).one_or_none()


def read_audit_figures(session: Session) -> Sequence[AuditFiguresRow]:
    """Return the figures of each kind, or nothing if no audit has begun in the last 30 days."""
    return session.execute(_FIGURES).all()
