"""Dead letters: messages that were given up, kept unchanged until the operator retries or discards them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    Select,
    Text,
    Uuid,
    delete,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, columns_of, rows_affected, table_of


class DeadLetter(Base):
    """A message that could not be decided, and the reason."""

    __tablename__ = "dead_letters"

    # Empty if the message names none.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # Of the last time that the message was given up. Lists are in the order of these ids.
    id: Mapped[UUID] = mapped_column(Uuid)
    # The SHA-256 of the body: two messages may have come under the same id.
    digest: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    task: Mapped[str] = mapped_column(Text)
    # Never shows a value of the message.
    reason: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    died_at: Mapped[datetime] = mapped_column(Instant)
    queue: Mapped[str] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSON)
    body: Mapped[bytes]
    content_type: Mapped[str] = mapped_column(Text)
    content_encoding: Mapped[str] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("attempts > 0", name="attempted"),
        Index("ix_dead_letters_listed", text('project COLLATE "C"'), "id"),
    )


class ListedDeadLetterRow(Protocol):
    """A row of `dead_letters` without the message."""

    project: str
    task_id: str
    task: str
    reason: str
    attempts: int
    died_at: datetime


class ProjectDeadLetterRow(ListedDeadLetterRow, Protocol):
    """A row of `dead_letters` with the id, without the message."""

    id: UUID


class DeadLetterRow(ProjectDeadLetterRow, Protocol):
    """A whole row of `dead_letters`."""

    digest: bytes
    queue: str
    headers: dict[str, Any]
    body: bytes
    content_type: str
    content_encoding: str


DEAD_LETTERS = table_of(DeadLetter)
_KEY = ("project", "task_id", "digest")


def add_dead_letter(session: Session, *, values: Mapping[str, Any]) -> None:
    """Store a dead letter, or replace everything but the key if the message is stored already."""
    adding = insert(DEAD_LETTERS).values(**values)
    latest = {name: adding.excluded[name] for name in values if name not in _KEY}
    session.execute(adding.on_conflict_do_update(index_elements=[DEAD_LETTERS.c[name] for name in _KEY], set_=latest))


def older_dead_letters(
    session: Session, *, project: str, than: UUID | None, limit: int
) -> Sequence[ProjectDeadLetterRow]:
    """Return the newest dead letters of a project that are older than a position, or of all, newest first."""
    listed = _of_project(project).order_by(DEAD_LETTERS.c.id.desc()).limit(limit)
    return session.execute(listed if than is None else listed.where(DEAD_LETTERS.c.id < than)).all()


def newer_dead_letters(session: Session, *, project: str, than: UUID, limit: int) -> Sequence[ProjectDeadLetterRow]:
    """Return the oldest dead letters of a project that are newer than a position, newest first."""
    listed = _of_project(project).where(DEAD_LETTERS.c.id > than)
    return session.execute(listed.order_by(DEAD_LETTERS.c.id).limit(limit)).all()[::-1]


def find_dead_letter(session: Session, *, task_id: str) -> DeadLetterRow | None:
    """Return the oldest dead letter of the task id, or None."""
    return session.execute(_found(task_id)).one_or_none()


def lock_dead_letter(session: Session, *, task_id: str) -> DeadLetterRow | None:
    """Lock and return the oldest dead letter of the task id, or None."""
    return session.execute(_found(task_id).with_for_update()).one_or_none()


def dead_letters_after(session: Session, *, project: str, after: UUID | None, limit: int) -> Sequence[DeadLetterRow]:
    """Lock and return the oldest dead letters of a project that are newer than a position, or of all, oldest first."""
    # The collation of the index: otherwise the planner could use the primary key.
    listed = select(DEAD_LETTERS).where(DEAD_LETTERS.c.project.collate("C") == project).order_by(DEAD_LETTERS.c.id)
    listed = listed if after is None else listed.where(DEAD_LETTERS.c.id > after)
    return session.execute(listed.limit(limit).with_for_update()).all()


def replace_dead_letter(
    session: Session, *, letter: DeadLetterRow, body: bytes, digest: bytes, headers: dict[str, Any]
) -> None:
    """Give a locked dead letter another body, with its digest, and other headers."""
    values = {"body": body, "digest": digest, "headers": headers}
    key = dict(zip(_KEY, (letter.project, letter.task_id, letter.digest), strict=True))
    changed = update(DEAD_LETTERS).where(*(DEAD_LETTERS.c[name] == value for name, value in key.items()))
    session.execute(changed.values(**values))


def remove_dead_letter(session: Session, *, project: str, task_id: str, digest: bytes) -> int:
    """Delete a dead letter, and return the number of deleted rows, 0 or 1."""
    key = dict(zip(_KEY, (project, task_id, digest), strict=True))
    removed = delete(DEAD_LETTERS).where(*(DEAD_LETTERS.c[name] == value for name, value in key.items()))
    return rows_affected(session.execute(removed))


def _found(task_id: str) -> Select[*tuple[Any, ...]]:
    return select(DEAD_LETTERS).where(DEAD_LETTERS.c.task_id == task_id).order_by(DEAD_LETTERS.c.died_at).limit(1)


def _of_project(project: str) -> Select[*tuple[Any, ...]]:
    # The collation of the index: otherwise the planner could use the primary key.
    columns = [DEAD_LETTERS.c[name] for name in columns_of(ProjectDeadLetterRow)]
    return select(*columns).where(DEAD_LETTERS.c.project.collate("C") == project)
