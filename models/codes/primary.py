"""The primary code of a voucher, which the voucher shows as its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from domain.code_terms import CodeRetirement
from models.base import LOOK_UP_COLLATION, array_parameters, insert_from_arrays
from models.codes.code import CODES, NEW_COLUMNS, Code
from models.codes.row_types import CodeRow

_RETIRED_COLUMNS = (*NEW_COLUMNS, "retired_reason", "retired_at")
_INSERT_RETIRED = insert_from_arrays(Code, _RETIRED_COLUMNS)


def find_primary_code(session: Session, *, project: str, voucher_id: UUID, code: str) -> CodeRow | None:
    """Return the available primary code of a voucher, or the last retired primary code with this text, or None."""
    own = select(CODES).where(CODES.c.voucher_id == voucher_id, CODES.c.is_primary)
    available = session.execute(own.where(CODES.c.project == project, CODES.c.retired_reason.is_(None))).one_or_none()
    if available is not None:
        return available
    has_text = and_(CODES.c.project.collate(LOOK_UP_COLLATION) == project, func.lower(CODES.c.code) == code.lower())
    retired = own.where(has_text, CODES.c.retired_reason.is_not(None))
    return session.execute(retired.order_by(CODES.c.created_at.desc(), CODES.c.id.desc()).limit(1)).one_or_none()


def respell_code(
    session: Session,
    *,
    project: str,
    id: UUID,  # noqa: A002 - the column's name
    code: str,
    at: datetime,
) -> None:
    """Change the capitals of a code, which leaves the text the same."""
    own = update(CODES).where(CODES.c.project == project, CODES.c.id == id)
    session.execute(own.values(code=code, updated_at=at))


def add_retired_codes(session: Session, *, rows: Iterable[tuple[Mapping[str, Any], CodeRetirement]]) -> None:
    """Insert retired codes, whose texts may belong to other codes. A retired voucher only shows such a code."""
    new = ([*(values[name] for name in NEW_COLUMNS), end.reason.value, end.at] for values, end in rows)
    session.execute(_INSERT_RETIRED, array_parameters("new", _RETIRED_COLUMNS, new))
