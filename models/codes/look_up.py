"""Look up codes by text or by id."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, and_, func, select
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, StoredRow, array_parameters, rows_from_arrays
from models.codes.code import CODES

_WANTED = rows_from_arrays("wanted", project=Text(), code=Text())
_CARRIES_TEXT = and_(
    CODES.c.project.collate(LOOK_UP_COLLATION) == _WANTED.c.project, func.lower(CODES.c.code) == _WANTED.c.code
)
_HOLDER = select(CODES.c.id).where(_CARRIES_TEXT, CODES.c.retired_reason.is_(None)).correlate(_WANTED).scalar_subquery()
_RETIRED = (
    select(CODES.c.id)
    .where(_CARRIES_TEXT, CODES.c.retired_reason.is_not(None))
    .order_by(CODES.c.created_at.desc(), CODES.c.id.desc())
    .limit(1)
    .correlate(_WANTED)
)
# One that was retired as it was created is only shown by its voucher: another code had the text. A sweep that retires
# that one must not hand the text over.
_LAST_HOLDER = _RETIRED.where(CODES.c.retired_at != CODES.c.created_at).scalar_subquery()
_NAMES = func.coalesce(_HOLDER, _LAST_HOLDER, _RETIRED.scalar_subquery())
# What a decision needs, as a row of its own for each text.
_NAMED = CODES.alias("named")
_DECISIVE = (
    "id",
    "voucher_id",
    "code",
    "maximum_redemptions",
    "expires_at",
    "customer",
    "redemptions",
    "retired_reason",
    "places_returned",
)
_FIND_BY_CODE = select(
    _WANTED.c.project, _WANTED.c.code.label("wanted"), *(_NAMED.c[name] for name in _DECISIVE)
).join_from(_WANTED, _NAMED, and_(_NAMED.c.project == _WANTED.c.project, _NAMED.c.id == _NAMES))


def find_by_code(session: Session, *, codes: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredRow]:
    """This function will return what each (project, code in lower case) names: who holds it, or else held it last.

    The rows hold what a decision needs. Take them for one in a statement of its own after the vouchers' locks.
    """
    wanted = set(codes)
    if not wanted:
        return {}
    found = session.execute(_FIND_BY_CODE, array_parameters("wanted", ("project", "code"), sorted(wanted))).all()
    return {(row.project, row.wanted): row for row in found}


def find_code(session: Session, *, project: str, id: UUID) -> StoredRow | None:  # noqa: A002 - the column's name
    """This function will return the code's row, or None."""
    return session.execute(select(CODES).where(CODES.c.project == project, CODES.c.id == id)).one_or_none()
