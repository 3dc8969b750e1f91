"""Retire codes whose vouchers are locked."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, update
from sqlalchemy.orm import Session

from domain.code_terms import LOST_TEXT_REASONS, CodeRetiredReason, CodeRetirement
from models.base import Instant, array_parameters, rows_from_arrays
from models.codes.code import CODES

CodeKey = tuple[str, UUID]
_RETIRED = rows_from_arrays("retired", project=Text(), id=Uuid(), reason=Text(), at=Instant)
_RETIRE = (
    update(CODES)
    .where(CODES.c.project == _RETIRED.c.project, CODES.c.id == _RETIRED.c.id, CODES.c.retired_reason.is_(None))
    .values(retired_reason=_RETIRED.c.reason, retired_at=_RETIRED.c.at)
)
_RETIRE_WITHOUT_TEXT = (
    update(CODES)
    .where(CODES.c.retired_reason.in_([reason.value for reason in sorted(LOST_TEXT_REASONS)]))
    .values(retired_reason=CodeRetiredReason.MANUAL_ACTION.value, retired_at=bindparam("now", type_=Instant))
)


def retire_codes(session: Session, *, retirements: Mapping[CodeKey, CodeRetirement]) -> None:
    """Retire codes whose vouchers are locked. A code that is retired already keeps the first reason and time."""
    rows = [(*key, each.reason.value, each.at) for key, each in retirements.items()]
    session.execute(_RETIRE, array_parameters("retired", ("project", "id", "reason", "at"), rows))


def retire_without_text(session: Session, *, project: str, id: UUID, now: datetime) -> None:  # noqa: A002 - the column's name
    """Retire a code by hand that lost its text, so that it stays retired if its locked voucher becomes available."""
    own = _RETIRE_WITHOUT_TEXT.where(CODES.c.project == project, CODES.c.id == id)
    session.execute(own, {"now": now})
