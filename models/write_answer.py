"""Answers of writes that leave no row of their own to look them up by, as an update does. They are kept for ever."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import JSON, Text, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only, kept_while_recent
from models.base import Base, Instant, index_by_time, table_of


class WriteAnswer(Base):
    """The first answer of a write, with the fingerprint of the request."""

    __tablename__ = "write_answers"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes]
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)

    # For pruning.
    __table_args__ = (index_by_time("created_at"),)


class StoredAnswerRow(Protocol):
    """A first answer, with the fingerprint of the request."""

    fingerprint: bytes
    answer: dict[str, Any]


WRITE_ANSWERS = kept_while_recent(append_only(table_of(WriteAnswer)), column="created_at")


def find_answer(session: Session, *, project: str, task: str, key: str) -> StoredAnswerRow | None:
    """Return the first answer of a write, or None."""
    columns = WRITE_ANSWERS.c
    stored = select(columns.fingerprint, columns.answer).where(
        columns.project == project, columns.task == task, columns.key == key
    )
    return session.execute(stored).one_or_none()


def add_answer(
    session: Session, *, project: str, task: str, key: str, fingerprint: bytes, answer: dict[str, Any]
) -> None:
    """Store the answer of a write. Raises IntegrityError if a concurrent transaction has stored another."""
    session.execute(
        insert(WRITE_ANSWERS).values(
            project=project,
            task=task,
            key=key,
            fingerprint=fingerprint,
            answer=answer,
            created_at=func.clock_timestamp(),
        )
    )
