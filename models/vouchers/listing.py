"""List vouchers, newest first, in pages that start at a cursor."""

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, select
from sqlalchemy.orm import Session

from domain.value import value
from models.base import StoredRow
from models.vouchers.voucher import VOUCHERS


class VoucherStatus(StrEnum):
    """Whether a voucher was retired."""

    AVAILABLE = "available"
    RETIRED = "retired"


@value
class VoucherListing:
    """Which vouchers of a project are listed: those of these statuses and, where they are given, of these ids."""

    project: str
    statuses: frozenset[VoucherStatus]
    ids: Sequence[UUID] | None = None


# How a voucher was created is of no interest in a list, and as long as the voucher itself.
_SHOWN = [
    column
    for column in VOUCHERS.c
    if column.name not in {"request_id", "delivery_id", "fingerprint", "creation_answer"}
]


def older(session: Session, *, listing: VoucherListing, than: UUID | None, limit: int) -> Sequence[StoredRow]:
    """This function will return the newest vouchers older than that one, or of all, newest first."""
    statement = _listed(listing).order_by(VOUCHERS.c.id.desc()).limit(limit)
    if than is not None:
        statement = statement.where(VOUCHERS.c.id < than)
    return session.execute(statement).all()


def newer(session: Session, *, listing: VoucherListing, than: UUID, limit: int) -> Sequence[StoredRow]:
    """This function will return the oldest vouchers newer than that one, newest first."""
    statement = _listed(listing).where(VOUCHERS.c.id > than).order_by(VOUCHERS.c.id).limit(limit)
    return session.execute(statement).all()[::-1]


def _listed(listing: VoucherListing) -> Select[tuple[object, ...]]:
    statement = select(*_SHOWN)
    if len(listing.statuses) < len(VoucherStatus):
        # In the words of the index that holds just these.
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
