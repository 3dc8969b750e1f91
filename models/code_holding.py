"""Who holds the text of a code, and how it is taken from one that can no longer be redeemed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, bindparam, func, select, update
from sqlalchemy.orm import Session

from domain.code import TAKEN_OVER, CodeRetiredReason, Retirement
from domain.terms import RetiredReason
from models.base import LOOK_UP_COLLATION, Instant, StoredRow, array_parameters, rows_from_arrays
from models.code import CODES
from models.voucher import VOUCHERS

CodeKey = tuple[str, UUID]

_TEXTS = rows_from_arrays("texts", project=Text(), code=Text())
_RETIRED = rows_from_arrays("retired", project=Text(), id=Uuid(), reason=Text(), at=Instant)
_EXPIRED = rows_from_arrays("expired", project=Text(), id=Uuid())

_held = CODES.alias("held")
# A subquery for each text, not a join: whatever the statistics say, it is one look into the index for each.
_HOLDER = (
    select(_held.c.id)
    .where(_held.c.project.collate(LOOK_UP_COLLATION) == _TEXTS.c.project, func.lower(_held.c.code) == _TEXTS.c.code)
    .where(_held.c.retired_reason.is_(None))
    .correlate(_TEXTS)
    .scalar_subquery()
)
_HOLDERS = (
    select(
        CODES.c.project,
        CODES.c.id,
        CODES.c.voucher_id,
        CODES.c.code,
        CODES.c.created_at,
        CODES.c.expires_at,
        VOUCHERS.c.expires_at.label("voucher_expires_at"),
        VOUCHERS.c.retired_reason.label("voucher_retired_reason"),
        VOUCHERS.c.retired_at.label("voucher_retired_at"),
    )
    .join_from(_TEXTS, CODES, and_(CODES.c.project == _TEXTS.c.project, CODES.c.id == _HOLDER))
    .join(VOUCHERS, and_(VOUCHERS.c.project == CODES.c.project, VOUCHERS.c.id == CODES.c.voucher_id))
)
_RETIRE = (
    update(CODES)
    .where(CODES.c.project == _RETIRED.c.project, CODES.c.id == _RETIRED.c.id, CODES.c.retired_reason.is_(None))
    .values(retired_reason=_RETIRED.c.reason, retired_at=_RETIRED.c.at)
)
_RETIRE_TAKEN_OVER = (
    update(CODES)
    .where(CODES.c.retired_reason.in_([reason.value for reason in sorted(TAKEN_OVER)]))
    .values(retired_reason=CodeRetiredReason.MANUAL_ACTION.value, retired_at=bindparam("now", type_=Instant))
)
_RETIRE_EXPIRED_VOUCHERS = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _EXPIRED.c.project, VOUCHERS.c.id == _EXPIRED.c.id)
    .where(VOUCHERS.c.retired_reason.is_(None))
    .values(retired_reason=RetiredReason.EXPIRED.value, retired_at=VOUCHERS.c.expires_at)
)


def find_holders(session: Session, *, project: str, codes: Iterable[str]) -> list[StoredRow]:
    """This function will return the codes that were not retired and have those texts, with their vouchers' end."""
    texts = sorted({code.lower() for code in codes})
    parameters = array_parameters("texts", ("project", "code"), [(project, each) for each in texts])
    return list(session.execute(_HOLDERS, parameters).all())


def retire_codes(session: Session, *, retirements: Mapping[CodeKey, Retirement]) -> None:
    """This function will retire codes whose vouchers are locked. The first reason of each stays."""
    rows = [(*key, each.reason.value, each.at) for key, each in retirements.items()]
    session.execute(_RETIRE, array_parameters("retired", ("project", "id", "reason", "at"), rows))


def retire_taken_over(session: Session, *, project: str, id: UUID, now: datetime) -> None:  # noqa: A002 - the column's name
    """This function will retire by hand a code that lost its text: it does not come back with its locked voucher."""
    own = _RETIRE_TAKEN_OVER.where(CODES.c.project == project, CODES.c.id == id)
    session.execute(own, {"now": now})


def retire_expired_vouchers(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> None:
    """This function will retire locked vouchers whose window is over, as the next sweep would."""
    session.execute(_RETIRE_EXPIRED_VOUCHERS, array_parameters("expired", ("project", "id"), set(keys)))
