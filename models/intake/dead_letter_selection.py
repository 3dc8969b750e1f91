"""The dead letters that an operator selects, of all projects: listed in pages, locked and removed together."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, bindparam, delete, func, select
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import columns_of, rows_affected
from models.intake.dead_letter import DEAD_LETTERS, DeadLetterRow, ProjectDeadLetterRow


@value
class DeadLetterFilter:
    """Which dead letters are selected. A filter that is None leaves out none, and several narrow the selection."""

    # Empty for messages that name no valid project.
    project: str | None = None
    task: str | None = None
    # A part of the reason.
    reason: str | None = None
    # By the clock of the database.
    older_than: timedelta | None = None


ALL = DeadLetterFilter()


def list_dead_letters(
    session: Session, *, wanted: DeadLetterFilter = ALL, after: UUID | None = None, limit: int
) -> Sequence[ProjectDeadLetterRow]:
    """Return the messages that were given up last, newest first, without the messages themselves.

    `after` is the id of the dead letter after which the page begins.
    """
    columns = [DEAD_LETTERS.c[name] for name in columns_of(ProjectDeadLetterRow)]
    listed = select(*columns).where(*_conditions(wanted)).order_by(DEAD_LETTERS.c.id.desc()).limit(limit)
    return session.execute(listed if after is None else listed.where(DEAD_LETTERS.c.id < after)).all()


def lock_dead_letters(
    session: Session, *, wanted: DeadLetterFilter, newest: UUID, limit: int
) -> Sequence[DeadLetterRow]:
    """Lock and return the oldest of the selected messages, none newer than the given one.

    Those that another transaction has locked are left out.
    """
    listed = select(DEAD_LETTERS).where(*_conditions(wanted), DEAD_LETTERS.c.id <= newest)
    return session.execute(listed.order_by(DEAD_LETTERS.c.id).limit(limit).with_for_update(skip_locked=True)).all()


def remove_dead_letters(session: Session, *, ids: Collection[UUID]) -> int:
    """Delete dead letters by their ids, and return the number of deleted rows."""
    named = func.any(bindparam("ids", list(ids), ARRAY(Uuid)))
    return rows_affected(session.execute(delete(DEAD_LETTERS).where(DEAD_LETTERS.c.id == named)))


def _conditions(wanted: DeadLetterFilter) -> list[ColumnElement[Any]]:
    columns = DEAD_LETTERS.c
    conditions: list[ColumnElement[Any]] = []
    if wanted.project is not None:
        conditions.append(columns.project.collate("C") == wanted.project)
    if wanted.task is not None:
        conditions.append(columns.task == wanted.task)
    if wanted.reason is not None:
        conditions.append(func.strpos(columns.reason, wanted.reason) > 0)
    if wanted.older_than is not None:
        conditions.append(columns.died_at < func.clock_timestamp() - wanted.older_than)
    return conditions
