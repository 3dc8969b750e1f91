"""Deliveries under suspicion: a message that has met a fault, or that outlived its worker, and how often it was tried.

A message whose first delivery is decided never has a row here.
"""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import CheckConstraint, Integer, Text, delete, func, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, StoredRow, array_parameters, rows_from_arrays, table_of

# The project, which is empty where the message names none, and the id of the task.
MessageKey = tuple[str, str]


class Attempt(Base):
    """How often one message was begun without an end that is known."""

    __tablename__ = "attempts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # Among others: any of them may be the cause.
    together: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    # Alone: what went wrong then was this message's doing.
    alone: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    last_at: Mapped[datetime] = mapped_column(Instant)

    __table_args__ = (CheckConstraint("together >= 0 AND alone >= 0", name="counted"),)


ATTEMPTS = table_of(Attempt)
_WANTED = rows_from_arrays("wanted", projects=Text(), task_ids=Text())
_SENT = select(_WANTED.c.projects, _WANTED.c.task_ids)
_FIND = select(ATTEMPTS).join(
    _WANTED, (ATTEMPTS.c.project == _WANTED.c.projects) & (ATTEMPTS.c.task_id == _WANTED.c.task_ids)
)
_CLEAR = delete(ATTEMPTS).where(tuple_(ATTEMPTS.c.project, ATTEMPTS.c.task_id).in_(_SENT))
_NEW = (_WANTED.c.projects, _WANTED.c.task_ids, func.clock_timestamp())


def find_attempts(session: Session, *, keys: Collection[MessageKey]) -> dict[MessageKey, StoredRow]:
    """This function will return what is noted of those messages of which anything is."""
    rows = session.execute(_FIND, _arrays(keys))
    return {(row.project, row.task_id): row for row in rows}


def note_together(session: Session, *, keys: Collection[MessageKey]) -> None:
    """This function will count one more attempt of each of the messages, made together."""
    # In one order everywhere, so that two workers never wait for each other.
    selected = select(*_NEW, text("1")).order_by(_WANTED.c.projects, _WANTED.c.task_ids)
    adding = insert(ATTEMPTS).from_select(["project", "task_id", "last_at", "together"], selected)
    counted = adding.on_conflict_do_update(
        index_elements=[ATTEMPTS.c.project, ATTEMPTS.c.task_id],
        set_={"together": ATTEMPTS.c.together + 1, "last_at": adding.excluded.last_at},
    )
    session.execute(counted, _arrays(set(keys)))


def note_alone(session: Session, *, key: MessageKey) -> int:
    """This function will count one more attempt of a message alone, and return how many there were with it."""
    project, task_id = key
    adding = insert(ATTEMPTS).values(project=project, task_id=task_id, last_at=func.clock_timestamp(), alone=1)
    counted = adding.on_conflict_do_update(
        index_elements=[ATTEMPTS.c.project, ATTEMPTS.c.task_id],
        set_={"alone": ATTEMPTS.c.alone + 1, "last_at": adding.excluded.last_at},
    )
    alone: int = session.execute(counted.returning(ATTEMPTS.c.alone)).scalar_one()
    return alone


def forget_alone(session: Session, *, key: MessageKey) -> None:
    """This function will take back one attempt of a message alone."""
    project, task_id = key
    session.execute(
        update(ATTEMPTS)
        .where(ATTEMPTS.c.project == project, ATTEMPTS.c.task_id == task_id, ATTEMPTS.c.alone > 0)
        .values(alone=ATTEMPTS.c.alone - 1)
    )


def clear_attempts(session: Session, *, keys: Collection[MessageKey]) -> None:
    """This function will forget the attempts of the messages."""
    session.execute(_CLEAR, _arrays(keys))


def _arrays(keys: Collection[MessageKey]) -> dict[str, list[str]]:
    return array_parameters("wanted", ("projects", "task_ids"), keys)
