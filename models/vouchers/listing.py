"""Query pages of vouchers, newest first, from a cursor on.

Indexes have the vouchers of each status, and those of each status in a campaign, in the order of the list: only the
rows of the page are read. For metadata and for the beginning of a name, an index has the vouchers, which are then
sorted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import HIGHEST_ID, LOWEST_ID
from models.vouchers.filter import VoucherFilter
from models.vouchers.row_types import ShownVoucherRow
from models.vouchers.voucher import VOUCHERS


class VoucherStatus(StrEnum):
    """Whether a voucher is available or retired."""

    AVAILABLE = "available"
    RETIRED = "retired"


@value
class VoucherListing:
    """Vouchers of a project in some statuses that a filter lets through. Unless `ids` is None, only those."""

    project: str
    statuses: frozenset[VoucherStatus]
    ids: Sequence[UUID] | None = None
    filter: VoucherFilter = field(default_factory=VoucherFilter)


# The stored answer and fingerprint of a creation are not shown in a list, and are as long as the rest of the row.
_SHOWN = ", ".join(
    column.name
    for column in VOUCHERS.c
    if column.name not in {"request_id", "delivery_id", "fingerprint", "creation_answer"}
)
# In the words of the partial indexes: the planner can use them only if the query repeats their conditions.
_OF_STATUS = {
    VoucherStatus.AVAILABLE: "retired_reason IS NULL",
    VoucherStatus.RETIRED: "retired_reason IS NOT NULL",
}
_IN_ORDER = """
    SELECT {columns} FROM vouchers
    WHERE project{collation} = :project AND id >= :lowest AND id < :end AND {conditions}
    ORDER BY id {order}
"""
_FOUND = "SELECT {columns} FROM vouchers WHERE {conditions}"
# OFFSET 0 keeps the planner from moving the conditions in, and so from using another index.
_NARROWED = "SELECT * FROM ({source} OFFSET 0) AS source WHERE {conditions} ORDER BY id {order}"


def older_vouchers(
    session: Session, *, listing: VoucherListing, than: UUID | None, limit: int
) -> Sequence[ShownVoucherRow]:
    """Return the newest vouchers that are older than a voucher, or the newest of all, newest first."""
    return _page(session, listing=listing, lowest=LOWEST_ID, end=than or HIGHEST_ID, limit=limit, order="DESC")


def newer_vouchers(session: Session, *, listing: VoucherListing, than: UUID, limit: int) -> Sequence[ShownVoucherRow]:
    """Return the oldest vouchers that are newer than a voucher, newest first."""
    lowest = UUID(int=min(than.int + 1, HIGHEST_ID.int))
    return _page(session, listing=listing, lowest=lowest, end=HIGHEST_ID, limit=limit, order="ASC")[::-1]


def _page(
    session: Session, *, listing: VoucherListing, lowest: UUID, end: UUID, limit: int, order: str
) -> Sequence[ShownVoucherRow]:
    lowest, end = listing.filter.narrow(lowest, end)
    branches = " UNION ALL ".join(f"({each} LIMIT :limit)" for each in _branches(listing, order=order))
    parameters = {
        "project": listing.project,
        "lowest": lowest,
        "end": end,
        "limit": limit,
        **({} if listing.ids is None else {"ids": list(listing.ids)}),
        **listing.filter.parameters(),
    }
    statement = f"SELECT * FROM ({branches}) AS branches ORDER BY id {order} LIMIT :limit"  # noqa: S608 - of the constants above
    return session.execute(text(statement), parameters).all()


def _branches(listing: VoucherListing, *, order: str) -> Iterator[str]:
    conditions = listing.filter.conditions()
    statuses = [condition for status, condition in _OF_STATUS.items() if status in listing.statuses]
    in_any_status = f"({' OR '.join(statuses)})"
    if listing.ids is not None:
        yield _in_order("id = ANY(CAST(:ids AS uuid[]))", in_any_status, *conditions, collation="", order=order)
    elif not conditions and len(statuses) > 1:
        # The primary key has both statuses. The other collation keeps the planner from using it for one status.
        yield _in_order(collation="", order=order)
    elif not conditions or listing.filter.campaign is not None:
        first, others = conditions[:1], conditions[1:]
        for status in statuses:
            source = _in_order(*first, status, collation=' COLLATE "C"', order=order)
            yield _NARROWED.format(source=source, conditions=_all(others), order=order) if others else source
    else:
        source = _FOUND.format(columns=_SHOWN, conditions=conditions[0])
        in_span = "project = :project AND id >= :lowest AND id < :end"
        narrower = _all([in_span, in_any_status, *conditions[1:]])
        yield _NARROWED.format(source=source, conditions=narrower, order=order)


def _in_order(*conditions: str, collation: str, order: str) -> str:
    return _IN_ORDER.format(columns=_SHOWN, collation=collation, conditions=_all(conditions), order=order)


def _all(conditions: Sequence[str]) -> str:
    return " AND ".join(conditions) or "true"
