"""Query pages of vouchers, newest first, from a cursor on."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from domain.value_class import value
from models.vouchers.row_types import ShownVoucherRow
from models.vouchers.voucher import VOUCHERS


class VoucherStatus(StrEnum):
    """Whether a voucher is available or retired."""

    AVAILABLE = "available"
    RETIRED = "retired"


@value
class VoucherListing:
    """A filter of vouchers: their project, their statuses and, unless it is None, their ids."""

    project: str
    statuses: frozenset[VoucherStatus]
    ids: Sequence[UUID] | None = None


# The stored answer and fingerprint of a creation are not shown in a list, and are as long as the rest of the row.
_SHOWN = [
    column
    for column in VOUCHERS.c
    if column.name not in {"request_id", "delivery_id", "fingerprint", "creation_answer"}
]


def older_vouchers(
    session: Session, *, listing: VoucherListing, than: UUID | None, limit: int
) -> Sequence[ShownVoucherRow]:
    """Return the newest vouchers that are older than a voucher, or the newest of all, newest first."""
    statement = _listed(listing).order_by(VOUCHERS.c.id.desc()).limit(limit)
    if than is not None:
        statement = statement.where(VOUCHERS.c.id < than)
    return session.execute(statement).all()


def newer_vouchers(session: Session, *, listing: VoucherListing, than: UUID, limit: int) -> Sequence[ShownVoucherRow]:
    """Return the oldest vouchers that are newer than a voucher, newest first."""
    statement = _listed(listing).where(VOUCHERS.c.id > than).order_by(VOUCHERS.c.id).limit(limit)
    return session.execute(statement).all()[::-1]


def _listed(listing: VoucherListing) -> Select[tuple[object, ...]]:
    statement = select(*_SHOWN)
    if len(listing.statuses) < len(VoucherStatus):
        # The collation and the condition are those of the partial index of this status: the planner can use that index
        # only if the query repeats them.
        is_available = VOUCHERS.c.retired_reason.is_(None)
        statement = statement.where(
            VOUCHERS.c.project.collate("C") == listing.project,
            is_available if VoucherStatus.AVAILABLE in listing.statuses else ~is_available,
        )
    else:
        statement = statement.where(VOUCHERS.c.project == listing.project)
    if listing.ids is not None:
        statement = statement.where(VOUCHERS.c.id == func.any(bindparam("ids", list(listing.ids), ARRAY(Uuid))))
    return statement
