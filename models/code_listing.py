"""The codes of a voucher in the order in which they are listed, newest first: descending by id, a bounded number."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import FromClause, Select, select, union_all
from sqlalchemy.orm import Session

from domain.value import value
from models.base import StoredRow
from models.code import CODES


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


# In the words of the index that holds just these.
_CONDITIONS = {
    CodeStatus.AVAILABLE: CODES.c.retired_reason.is_(None),
    CodeStatus.RETIRED: CODES.c.retired_reason.is_not(None),
}


def find_code(session: Session, *, project: str, id: UUID) -> StoredRow | None:  # noqa: A002 - the column's name
    """This function will return the code's row, or None."""
    return session.execute(select(CODES).where(CODES.c.project == project, CODES.c.id == id)).one_or_none()


def older_codes(session: Session, *, listing: CodeListing, than: UUID | None, limit: int) -> Sequence[StoredRow]:
    """This function will return the newest codes older than that one, or of all, newest first."""
    if not listing.statuses:
        return []
    listed = _listed(listing)
    if than is not None:
        listed = [page.where(CODES.c.id < than) for page in listed]
    each = _together([page.order_by(CODES.c.id.desc()).limit(limit) for page in listed])
    return session.execute(select(each).order_by(each.c.id.desc()).limit(limit)).all()


def newer_codes(session: Session, *, listing: CodeListing, than: UUID, limit: int) -> Sequence[StoredRow]:
    """This function will return the oldest codes newer than that one, newest first."""
    if not listing.statuses:
        return []
    listed = [page.where(CODES.c.id > than) for page in _listed(listing)]
    each = _together([page.order_by(CODES.c.id).limit(limit) for page in listed])
    return session.execute(select(each).order_by(each.c.id).limit(limit)).all()[::-1]


def _listed(listing: CodeListing) -> list[Select[tuple[object, ...]]]:
    # One for each status, each with an index of its own: no page passes over what it does not show.
    of_voucher = select(CODES).where(CODES.c.project == listing.project, CODES.c.voucher_id == listing.voucher_id)
    return [of_voucher.where(_CONDITIONS[status]) for status in sorted(listing.statuses)]


def _together(pages: Sequence[Select[tuple[object, ...]]]) -> FromClause:
    return union_all(*(select(page.subquery()) for page in pages)).subquery()
