"""Answers of writes that leave no row of their own to find them by: an update, an addition. Kept for ever."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text, func, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, StoredRow, table_of


class WriteAnswer(Base):
    """What one write was answered, with the body that it belongs to."""

    __tablename__ = "write_answers"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    task: Mapped[str] = mapped_column(Text, primary_key=True)
    key: Mapped[str] = mapped_column(Text, primary_key=True)
    fingerprint: Mapped[bytes]
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Instant)


WRITE_ANSWERS = table_of(WriteAnswer)


def find_answer(session: Session, *, project: str, task: str, key: str) -> StoredRow | None:
    """This function will return the stored answer to a write, with its fingerprint, or None."""
    columns = WRITE_ANSWERS.c
    stored = select(columns.fingerprint, columns.answer).where(
        columns.project == project, columns.task == task, columns.key == key
    )
    return session.execute(stored).one_or_none()


def add_answer(
    session: Session, *, project: str, task: str, key: str, fingerprint: bytes, answer: dict[str, Any]
) -> None:
    """This function will store the answer to a write. Whoever stores one for the same key meanwhile comes first."""
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
