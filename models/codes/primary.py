"""A voucher's own code, which it shows: the one that it was created with, or was given since."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, insert, select, update
from sqlalchemy.orm import Session

from domain.code import CodeRetirement
from models.base import LOOK_UP_COLLATION, StoredRow
from models.codes.code import CODES


def find_primary_code(session: Session, *, project: str, voucher_id: UUID, code: str) -> StoredRow | None:
    """This function will return the voucher's own code that was not retired, or else the last that had this text."""
    own = select(CODES).where(CODES.c.voucher_id == voucher_id, CODES.c.is_primary)
    held = session.execute(own.where(CODES.c.project == project, CODES.c.retired_reason.is_(None))).one_or_none()
    if held is not None:
        return held
    carried = and_(CODES.c.project.collate(LOOK_UP_COLLATION) == project, func.lower(CODES.c.code) == code.lower())
    retired = own.where(carried, CODES.c.retired_reason.is_not(None))
    return session.execute(retired.order_by(CODES.c.created_at.desc(), CODES.c.id.desc()).limit(1)).one_or_none()


def spell_code(session: Session, *, project: str, id: UUID, code: str) -> None:  # noqa: A002 - the column's name
    """This function will show a code in other capitals: its text is the same."""
    session.execute(update(CODES).where(CODES.c.project == project, CODES.c.id == id).values(code=code))


def add_retired_code(session: Session, *, values: Mapping[str, Any], retirement: CodeRetirement) -> None:
    """This function will insert a code whose text another one holds: its voucher is retired, and shows it only."""
    session.execute(insert(CODES).values(**values, retired_reason=retirement.reason.value, retired_at=retirement.at))
