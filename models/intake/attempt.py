"""Attempts to decide messages that may be poison: their child or worker died, or they failed alone.

A message has no row here if its first delivery is decided.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from sqlalchemy import CheckConstraint, Integer, Text, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, array_parameters, rows_from_arrays, table_of

# The project, empty if the message names none, and the id of the task.
MessageKey = tuple[str, str]


class Attempt(Base):
    """The attempts at a message that ended with the death of a process, or failed alone."""

    __tablename__ = "attempts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # In a group of messages, any of which may have been the cause.
    together: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Alone: the message itself was the cause.
    alone: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (CheckConstraint("together >= 0 AND alone >= 0", name="counted"),)


class AttemptRow(Protocol):
    """The attempts at a message."""

    project: str
    task_id: str
    together: int
    alone: int


ATTEMPTS = table_of(Attempt)
_WANTED = rows_from_arrays("wanted", projects=Text(), task_ids=Text())
_SENT = select(_WANTED.c.projects, _WANTED.c.task_ids)
_FIND = select(ATTEMPTS).join(
    _WANTED, (ATTEMPTS.c.project == _WANTED.c.projects) & (ATTEMPTS.c.task_id == _WANTED.c.task_ids)
)
_CLEAR = delete(ATTEMPTS).where(tuple_(ATTEMPTS.c.project, ATTEMPTS.c.task_id).in_(_SENT))
_NEW = (_WANTED.c.projects, _WANTED.c.task_ids, func.clock_timestamp())


def find_attempts(session: Session, *, keys: Collection[MessageKey]) -> dict[MessageKey, AttemptRow]:
    """Return the attempts at the messages, without an entry for a message that has none."""
    rows = session.execute(_FIND, _arrays(keys))
    return {(row.project, row.task_id): row for row in rows}


def note_together(session: Session, *, keys: Collection[MessageKey]) -> None:
    """Count one more attempt at each of the messages, made in a group."""
    # Always in the same order, so that two workers never deadlock.
    selected = select(*_NEW, text("1")).order_by(_WANTED.c.projects, _WANTED.c.task_ids)
    adding = insert(ATTEMPTS).from_select(["project", "task_id", "last_at", "together"], selected)
    counted = adding.on_conflict_do_update(
        index_elements=[ATTEMPTS.c.project, ATTEMPTS.c.task_id],
        set_={"together": ATTEMPTS.c.together + 1, "last_at": adding.excluded.last_at},
    )
    session.execute(counted, _arrays(set(keys)))


def note_alone(session: Session, *, key: MessageKey) -> int:
    """Count one more attempt at a message alone, and return their number."""
    project, task_id = key
    adding = insert(ATTEMPTS).values(project=project, task_id=task_id, last_at=func.clock_timestamp(), alone=1)
    counted = adding.on_conflict_do_update(
        index_elements=[ATTEMPTS.c.project, ATTEMPTS.c.task_id],
        set_={"alone": ATTEMPTS.c.alone + 1, "last_at": adding.excluded.last_at},
    )
    alone: int = session.execute(counted.returning(ATTEMPTS.c.alone)).scalar_one()
    return alone


def take_back_alone(session: Session, *, key: MessageKey) -> None:
    """Subtract an attempt at a message alone."""
    project, task_id = key
    session.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.project == project, ATTEMPTS.c.task_id == task_id, ATTEMPTS.c.alone > 0)
        .values(alone=ATTEMPTS.c.alone - 1)
    )


def clear_attempts(session: Session, *, keys: Collection[MessageKey]) -> None:
    """Delete the attempts at the messages."""
    session.execute(_CLEAR, _arrays(keys))


def _arrays(keys: Collection[MessageKey]) -> dict[str, list[str]]:
    return array_parameters("wanted", ("projects", "task_ids"), keys)
