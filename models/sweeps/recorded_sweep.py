"""The runs of the sweep: when each began and ended, and its counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Text, Uuid, delete, func, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, columns_of, first_id_at, ids_at, table_of

# The project of all rows: a run covers every project.
PROJECT = ""
COUNTS = (
    "expired",
    "max_redemptions_reached",
    "completed",
    "codes_expired",
    "codes_max_redemptions_reached",
    "holds_lapsed",
)


class RecordedSweep(Base):
    """A run of the sweep. Without an end and counts, it still runs, or was interrupted."""

    __tablename__ = "sweeps"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)
    expired: Mapped[int | None] = mapped_column(Integer)
    max_redemptions_reached: Mapped[int | None] = mapped_column(Integer)
    completed: Mapped[int | None] = mapped_column(Integer)
    codes_expired: Mapped[int | None] = mapped_column(Integer)
    codes_max_redemptions_reached: Mapped[int | None] = mapped_column(Integer)
    holds_lapsed: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint("project = ''", name="of_every_project"),
        CheckConstraint("ended_at >= started_at", name="ended_after_start"),
        CheckConstraint(
            f"num_nonnulls({', '.join(COUNTS)}) = CASE WHEN ended_at IS NULL THEN 0 ELSE {len(COUNTS)} END",
            name="ended_has_counts",
        ),
        CheckConstraint(f"least({', '.join(COUNTS)}) >= 0", name="counted"),
    )


class SweepRow(Protocol):
    """A row of `sweeps`, without the project."""

    id: UUID
    started_at: datetime
    ended_at: datetime | None
    expired: int | None
    max_redemptions_reached: int | None
    completed: int | None
    codes_expired: int | None
    codes_max_redemptions_reached: int | None
    holds_lapsed: int | None


SWEEPS = table_of(RecordedSweep)
_NEWEST = (
    select(*(SWEEPS.c[name] for name in columns_of(SweepRow)))
    .where(SWEEPS.c.project == PROJECT)
    .order_by(SWEEPS.c.id.desc())
)


def begin_sweep(session: Session, *, now: datetime) -> UUID:
    """Store a run that begins, and return its id."""
    run = next(ids_at(now))
    session.execute(insert(SWEEPS).values(project=PROJECT, id=run, started_at=now))
    return run


def end_sweep(session: Session, *, run: UUID, counts: Mapping[str, int]) -> None:
    """Store the end of a run, with all of COUNTS."""
    values = {"ended_at": func.clock_timestamp(), **counts}
    session.execute(update(SWEEPS).where(SWEEPS.c.project == PROJECT, SWEEPS.c.id == run).values(values))


def forget_sweeps(session: Session, *, now: datetime, after: timedelta) -> None:
    """Delete the runs that began longer ago than `after`."""
    session.execute(delete(SWEEPS).where(SWEEPS.c.project == PROJECT, SWEEPS.c.id < first_id_at(now - after)))


def newest_sweeps(session: Session, *, limit: int) -> Sequence[SweepRow]:
    """Return the runs that began last, newest first."""
    return session.execute(_NEWEST.limit(limit)).all()


def find_last_ended(session: Session) -> SweepRow | None:
    """Return the run that began last of those that came to their end, or None."""
    return session.execute(_NEWEST.where(SWEEPS.c.ended_at.is_not(None)).limit(1)).one_or_none()


def first_sweep_age(session: Session) -> float | None:
    """Return the seconds since the earliest kept run began, or None if there is none."""
    age = func.extract("epoch", func.clock_timestamp() - SWEEPS.c.started_at)
    first = select(age).where(SWEEPS.c.project == PROJECT).order_by(SWEEPS.c.id).limit(1)
    found = session.execute(first).scalar_one_or_none()
    return None if found is None else float(found)
