"""Messages that were given up, each as it came, until somebody sends it again or discards it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Integer, LargeBinary, Select, Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, StoredRow, rows_affected, table_of


class DeadLetter(Base):
    """One message, and why nobody could decide it."""

    __tablename__ = "dead_letters"

    # Empty where the message names none.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # Of its body: another message may have come under the same id.
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    task: Mapped[str] = mapped_column(Text)
    # Never a value out of the message.
    reason: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    died_at: Mapped[datetime] = mapped_column(Instant)
    queue: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes]
    content_type: Mapped[str] = mapped_column(Text)
    content_encoding: Mapped[str] = mapped_column(Text)

    __table_args__ = (CheckConstraint("attempts > 0", name="attempted"),)


DEAD_LETTERS = table_of(DeadLetter)
_KEY = ("project", "task_id", "digest")


def add_dead_letter(session: Session, *, values: Mapping[str, Any]) -> None:
    """This function will keep a message; where it was kept before, it says what is true of it now."""
    adding = insert(DEAD_LETTERS).values(**values)
    latest = {name: adding.excluded[name] for name in values if name not in _KEY}
    session.execute(adding.on_conflict_do_update(index_elements=[DEAD_LETTERS.c[name] for name in _KEY], set_=latest))


def list_dead_letters(session: Session, *, limit: int) -> Sequence[StoredRow]:
    """This function will return the dead letters that were given up last, without their bodies."""
    columns = DEAD_LETTERS.c
    shown = (columns.task_id, columns.project, columns.task, columns.died_at, columns.attempts, columns.reason)
    newest = select(*shown).order_by(columns.died_at.desc(), columns.project, columns.task_id)
    return session.execute(newest.limit(limit)).all()


def find_dead_letter(session: Session, *, task_id: str) -> StoredRow | None:
    """This function will return the whole of a dead letter, or None."""
    return session.execute(_found(task_id)).one_or_none()


def lock_dead_letter(session: Session, *, task_id: str) -> StoredRow | None:
    """This function will return the whole of a dead letter, or None, and let nobody else have it meanwhile."""
    return session.execute(_found(task_id).with_for_update()).one_or_none()


def remove_dead_letter(session: Session, *, project: str, task_id: str, digest: bytes) -> int:
    """This function will remove a dead letter, and return whether there was one, as 1 or 0."""
    key = dict(zip(_KEY, (project, task_id, digest), strict=True))
    removed = delete(DEAD_LETTERS).where(*(DEAD_LETTERS.c[name] == value for name, value in key.items()))
    return rows_affected(session.execute(removed))


def _found(task_id: str) -> Select[*tuple[Any, ...]]:
    return select(DEAD_LETTERS).where(DEAD_LETTERS.c.task_id == task_id).order_by(DEAD_LETTERS.c.died_at).limit(1)
