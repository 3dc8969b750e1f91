"""Look up codes by text or by id."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, func, select, union_all
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, array_parameters, columns_of, rows_from_arrays
from models.codes.code import CODES
from models.codes.row_types import CodeRow, NamedCodeRow

# The project and the text in lower case.
CodeText = tuple[str, str]
_WANTED = rows_from_arrays("wanted", project=Text(), code=Text())
_HAS_TEXT = and_(
    CODES.c.project.collate(LOOK_UP_COLLATION) == _WANTED.c.project, func.lower(CODES.c.code) == _WANTED.c.code
)
_AVAILABLE = select(CODES.c.id).where(_HAS_TEXT, CODES.c.retired_reason.is_(None)).correlate(_WANTED).scalar_subquery()
_RETIRED = (
    select(CODES.c.id)
    .where(_HAS_TEXT, CODES.c.retired_reason.is_not(None))
    .order_by(CODES.c.created_at.desc(), CODES.c.id.desc())
    .limit(1)
    .correlate(_WANTED)
)
# A code that was retired at its creation never had the text: another code had it, and a retired voucher only shows it.
# After a sweep has retired that other code, the text must still name the other code.
_LAST_AVAILABLE = _RETIRED.where(CODES.c.retired_at != CODES.c.created_at).scalar_subquery()
_NAMED_ID = func.coalesce(_AVAILABLE, _LAST_AVAILABLE, _RETIRED.scalar_subquery())
# A row for each text that names a code, with the columns that a decision needs.
_NAMED = CODES.alias("named")
_FIND_BY_CODE = select(
    _WANTED.c.code.label("wanted"), *(_NAMED.c[name] for name in columns_of(NamedCodeRow) if name != "wanted")
).join_from(_WANTED, _NAMED, and_(_NAMED.c.project == _WANTED.c.project, _NAMED.c.id == _NAMED_ID))

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_FIND_BY_ID = select(*(CODES.c[name] for name in columns_of(CodeRow))).join(
    _KEYS, and_(CODES.c.project == _KEYS.c.project, CODES.c.id == _KEYS.c.id)
)


def find_by_code(session: Session, *, codes: Iterable[CodeText]) -> dict[CodeText, NamedCodeRow]:
    """Return the code that each text names: the available code, or the code that was available last.

    Call this again in a new statement after the vouchers are locked, because a text may name another code by then.
    """
    wanted = set(codes)
    if not wanted:
        return {}
    found = session.execute(_FIND_BY_CODE, array_parameters("wanted", ("project", "code"), sorted(wanted))).all()
    return {(row.project, row.wanted): row for row in found}


def find_ids_of_text(session: Session, *, project: str, text: str) -> list[UUID]:
    """Return the ids of all codes with a text in lower case: the available code and every retired code."""
    has_text = and_(CODES.c.project.collate(LOOK_UP_COLLATION) == project, func.lower(CODES.c.code) == text)
    # A query for each, because each has an index.
    of_each = (
        select(CODES.c.id).where(has_text, is_retired)
        for is_retired in (CODES.c.retired_reason.is_(None), CODES.c.retired_reason.is_not(None))
    )
    return list(session.execute(union_all(*of_each)).scalars())


def find_code(session: Session, *, project: str, id: UUID) -> CodeRow | None:  # noqa: A002 - the column's name
    """Return the row of the code, or None."""
    return session.execute(select(CODES).where(CODES.c.project == project, CODES.c.id == id)).one_or_none()


def find_codes(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> list[CodeRow]:
    """Return the rows of the codes with those (project, id)."""
    return list(session.execute(_FIND_BY_ID, array_parameters("keys", ("project", "id"), set(keys))).all())
