"""The last tick of beat: when it last sent a task, by the database's clock."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, table_of

# The project of the only row: beat serves every project.
PROJECT = ""


class BeatTick(Base):
    """When beat last sent a task. There is one row at most."""

    __tablename__ = "beat_ticks"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    ticked_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (CheckConstraint("project = ''", name="of_every_project"),)


BEAT_TICKS = table_of(BeatTick)
_TICK = insert(BEAT_TICKS).values(project=PROJECT, ticked_at=func.clock_timestamp())
_NOTE = _TICK.on_conflict_do_update(index_elements=[BEAT_TICKS.c.project], set_={"ticked_at": _TICK.excluded.ticked_at})


def note_tick(session: Session) -> None:
    """Store that beat has just sent a task."""
    session.execute(_NOTE)


def find_last_tick(session: Session) -> datetime | None:
    """Return when beat last sent a task, or None if it never has."""
    return session.execute(select(BEAT_TICKS.c.ticked_at).where(BEAT_TICKS.c.project == PROJECT)).scalar_one_or_none()
