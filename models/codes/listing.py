"""Query pages of a voucher's codes, newest first, from a cursor on."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, Uuid, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import HIGHEST_ID, LOWEST_ID
from models.codes.code import CODES
from models.codes.row_types import CodeRow


class CodeStatus(StrEnum):
    """Whether a code is available or retired."""

    AVAILABLE = "available"
    RETIRED = "retired"


@value
class CodeListing:
    """A filter of codes: their voucher, and their own statuses."""

    project: str
    voucher_id: UUID
    statuses: frozenset[CodeStatus]


# The conditions of the partial indexes of both statuses. The planner uses an index only if the query has its condition.
_CONDITIONS = {
    CodeStatus.AVAILABLE: CODES.c.retired_at.is_(None),
    CodeStatus.RETIRED: CODES.c.retired_at.is_not(None),
}


def older_codes(session: Session, *, listing: CodeListing, than: UUID | None, limit: int) -> Sequence[CodeRow]:
    """Return the newest codes that are older than a code, or the newest of all, newest first."""
    if not listing.statuses:
        return []
    pages = [
        page.order_by(CODES.c.voucher_id.desc(), CODES.c.id.desc()).limit(limit)
        for page in _listed(listing, above=LOWEST_ID, below=than or HIGHEST_ID)
    ]
    each = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return session.execute(select(each).order_by(each.c.id.desc()).limit(limit)).all()


def newer_codes(session: Session, *, listing: CodeListing, than: UUID, limit: int) -> Sequence[CodeRow]:
    """Return the oldest codes that are newer than a code, newest first."""
    if not listing.statuses:
        return []
    pages = [
        page.order_by(CODES.c.voucher_id, CODES.c.id).limit(limit)
        for page in _listed(listing, above=than, below=HIGHEST_ID)
    ]
    each = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return session.execute(select(each).order_by(each.c.id).limit(limit)).all()[::-1]


def _listed(listing: CodeListing, *, above: UUID, below: UUID) -> list[Select[tuple[object, ...]]]:
    # `voucher_id` is compared as part of a row range. With `voucher_id = …` Postgres may scan the primary key instead
    # and skip over every code of the other status.
    position = tuple_(CODES.c.voucher_id, CODES.c.id)
    between = select(CODES).where(
        CODES.c.project == listing.project,
        position > tuple_(literal(listing.voucher_id, Uuid()), literal(above, Uuid())),
        position < tuple_(literal(listing.voucher_id, Uuid()), literal(below, Uuid())),
    )
    return [between.where(_CONDITIONS[status]) for status in sorted(listing.statuses)]
