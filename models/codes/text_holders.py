"""Find the available codes with given texts, and the vouchers that have a text."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import Text, and_, func, select, union
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, array_parameters, rows_from_arrays
from models.codes.code import CODES
from models.codes.row_types import TextHolderRow
from models.vouchers.voucher import VOUCHERS

_TEXTS = rows_from_arrays("texts", project=Text(), code=Text())
_available = CODES.alias("available")
# A scalar subquery for each text, not a join, is always planned as an index scan for each text.
_HOLDER_ID = (
    select(_available.c.id)
    .where(
        _available.c.project.collate(LOOK_UP_COLLATION) == _TEXTS.c.project,
        func.lower(_available.c.code) == _TEXTS.c.code,
    )
    .where(_available.c.retired_reason.is_(None))
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
    .join_from(_TEXTS, CODES, and_(CODES.c.project == _TEXTS.c.project, CODES.c.id == _HOLDER_ID))
    .join(VOUCHERS, and_(VOUCHERS.c.project == CODES.c.project, VOUCHERS.c.id == CODES.c.voucher_id))
)


def find_holders(session: Session, *, project: str, codes: Iterable[str]) -> Sequence[TextHolderRow]:
    """Return the codes with these texts that are not retired, with the end and the retirement of their vouchers."""
    texts = sorted({code.lower() for code in codes})
    parameters = array_parameters("texts", ("project", "code"), [(project, each) for each in texts])
    return session.execute(_HOLDERS, parameters).all()


def find_vouchers_with_code(session: Session, *, project: str, code: str) -> Sequence[UUID]:
    """Return the vouchers that have the code, available or retired.

    This is a separate statement, because a join with the list of vouchers was planned as a scan of all vouchers.
    """
    having = select(CODES.c.voucher_id).where(
        CODES.c.project.collate(LOOK_UP_COLLATION) == project, func.lower(CODES.c.code) == code.lower()
    )
    # Available and retired codes have separate indexes.
    both = union(having.where(CODES.c.retired_reason.is_(None)), having.where(CODES.c.retired_reason.is_not(None)))
    return session.scalars(both).all()
