"""Find the codes that hold a text, and the vouchers that carry it."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Text, and_, func, select, union
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, StoredRow, array_parameters, rows_from_arrays
from models.codes.code import CODES
from models.vouchers.voucher import VOUCHERS

_TEXTS = rows_from_arrays("texts", project=Text(), code=Text())
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


def find_holders(session: Session, *, project: str, codes: Iterable[str]) -> list[StoredRow]:
    """This function will return the codes that were not retired and have those texts, with their vouchers' end."""
    texts = sorted({code.lower() for code in codes})
    parameters = array_parameters("texts", ("project", "code"), [(project, each) for each in texts])
    return list(session.execute(_HOLDERS, parameters).all())


def find_carriers(session: Session, *, project: str, code: str) -> Sequence[UUID]:
    """This function will return the vouchers that carry the code, or carried it when they were retired.

    It is a statement of its own: joined to the list it was planned as a walk along all vouchers.
    """
    carried = select(CODES.c.voucher_id).where(
        CODES.c.project.collate(LOOK_UP_COLLATION) == project, func.lower(CODES.c.code) == code.lower()
    )
    # Held or retired: each has its index.
    carriers = union(
        carried.where(CODES.c.retired_reason.is_(None)), carried.where(CODES.c.retired_reason.is_not(None))
    )
    return session.scalars(carriers).all()
