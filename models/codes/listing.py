"""List the codes of a voucher, newest first, in pages that start at a cursor."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, Uuid, literal, select, tuple_, union_all
from sqlalchemy.orm import Session

from domain.value import value
from models.base import StoredRow
from models.codes.code import CODES


class CodeStatus(StrEnum):
    """Whether a code was retired."""

    AVAILABLE = "available"
    RETIRED = "retired"


@value
class CodeListing:
    """Which codes of a voucher are listed: those whose own status is one of these."""

    project: str
    voucher_id: UUID
    statuses: frozenset[CodeStatus]


_LOWEST, _HIGHEST = UUID(int=0), UUID(int=2**128 - 1)
# In the words of the index that holds just these.
_CONDITIONS = {
    CodeStatus.AVAILABLE: CODES.c.retired_at.is_(None),
    CodeStatus.RETIRED: CODES.c.retired_at.is_not(None),
}


def older_codes(session: Session, *, listing: CodeListing, than: UUID | None, limit: int) -> Sequence[StoredRow]:
    """This function will return the newest codes older than that one, or of all, newest first."""
    if not listing.statuses:
        return []
    pages = [
        page.order_by(CODES.c.voucher_id.desc(), CODES.c.id.desc()).limit(limit)
        for page in _listed(listing, above=_LOWEST, below=than or _HIGHEST)
    ]
    each = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return session.execute(select(each).order_by(each.c.id.desc()).limit(limit)).all()


def newer_codes(session: Session, *, listing: CodeListing, than: UUID, limit: int) -> Sequence[StoredRow]:
    """This function will return the oldest codes newer than that one, newest first."""
    if not listing.statuses:
        return []
    pages = [
        page.order_by(CODES.c.voucher_id, CODES.c.id).limit(limit)
        for page in _listed(listing, above=than, below=_HIGHEST)
    ]
    each = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return session.execute(select(each).order_by(each.c.id).limit(limit)).all()[::-1]


def _listed(listing: CodeListing, *, above: UUID, below: UUID) -> list[Select[tuple[object, ...]]]:
    # The voucher as a part of the range, not as an equality: with it, Postgres walks along the primary key wherever
    # it takes most codes for the voucher's, past all that it does not show.
    place = tuple_(CODES.c.voucher_id, CODES.c.id)
    between = select(CODES).where(
        CODES.c.project == listing.project,
        place > tuple_(literal(listing.voucher_id, Uuid()), literal(above, Uuid())),
        place < tuple_(literal(listing.voucher_id, Uuid()), literal(below, Uuid())),
    )
    return [between.where(_CONDITIONS[status]) for status in sorted(listing.statuses)]
