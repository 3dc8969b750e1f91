"""List redemptions, newest first, in pages that start at a cursor.

Accepted redemptions and each reason are read by themselves, so that a page never skips over rows of another outcome.
Accepted redemptions are found by their discounts, which have the same ids and indexes by customer and voucher. So a
redemption costs one index entry for lists, and another if it named a code.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.eligibility import STORED, Refusal
from domain.value_class import value
from models.base import HIGHEST_ID, LOOK_UP_COLLATION, LOWEST_ID, first_id_at
from models.discounts.discount import DiscountStatus
from models.redemptions.redemption import COLUMNS, UNKNOWN_CODE_KEY
from models.redemptions.row_types import RedemptionRow

# The reasons that are stored.
REASONS = frozenset(STORED)

_COLUMNS = ", ".join(COLUMNS)
# The innermost query has all conditions that the index has, and none besides. OFFSET 0 keeps the planner from moving
# the others in, and so from using another index.
_ROWS = """
    SELECT * FROM (
        SELECT {columns} FROM redemptions
        WHERE {owner} project COLLATE "{collation}" = :project AND {outcome} AND id >= :lowest AND id < :highest
        ORDER BY {order} OFFSET 0
    ) AS of_owner
    WHERE {conditions} ORDER BY {order} LIMIT :limit
"""
_OF_CODES = """
    SELECT of_code.* FROM unnest(CAST(:code_ids AS uuid[])) AS named (code_id) CROSS JOIN LATERAL ({rows}) AS of_code
    ORDER BY of_code.id {order} LIMIT :limit
"""
_OF_DISCOUNTS = """
    SELECT redemption.* FROM ({discounts}) AS discount CROSS JOIN LATERAL (
        SELECT {columns} FROM redemptions
        WHERE project COLLATE "POSIX" = :project AND reason IS NULL AND id = discount.id OFFSET 0
    ) AS redemption
    WHERE {conditions} ORDER BY discount.id {order} LIMIT :limit
"""
_DISCOUNTS_OF_OWNER = """
    SELECT id FROM discounts
    WHERE {owner} project COLLATE "C" = :project AND status = '{status}' AND id >= :lowest AND id < :highest
    ORDER BY id {order} OFFSET 0
"""
# A subscription has few discounts: those that are there now, and those that were moved elsewhere. All are read.
_DISCOUNTS_OF_SUBSCRIPTION = f"""
    SELECT id FROM discounts
    WHERE subscription = :subscription AND project COLLATE "{LOOK_UP_COLLATION}" = :project
    UNION
    SELECT discount_id FROM discount_changes
    WHERE from_subscription = :subscription AND project COLLATE "{LOOK_UP_COLLATION}" = :project
"""  # noqa: S608 - put together from the constant above
_PAGE = "SELECT * FROM ({branches}) AS branches ORDER BY id {order} LIMIT :limit"
_ACCEPTED = "reason IS NULL"
_CODE = "CAST(:code AS text)"
_CONDITIONS = {
    "subscription": "subscription = :subscription",
    "customer": "customer = :customer",
    "code": f"(code_id = ANY(CAST(:code_ids AS uuid[])) OR voucher_id IS NULL AND lower(code) = lower({_CODE}))",
    "voucher_id": "voucher_id = :voucher_id",
}


@value
class RedemptionListing:
    """A filter for redemptions of a project: accepted, refused for some reasons, or both.

    `code` is the text of a code, and `code_ids` are all codes of that text. The span of time is [from, before).
    """

    project: str
    is_accepted_listed: bool
    reasons: frozenset[Refusal]
    subscription: str | None = None
    customer: str | None = None
    code: str | None = None
    code_ids: Sequence[UUID] = ()
    voucher_id: UUID | None = None
    decided_from: datetime | None = None
    decided_before: datetime | None = None

    def owners(self) -> dict[str, Any]:
        """Return the given owners. The first is looked up by an index, and the others narrow the list."""
        given = {name: getattr(self, name) for name in _CONDITIONS}
        return {name: each for name, each in given.items() if each is not None}


def older_redemptions(
    session: Session, *, listing: RedemptionListing, than: UUID | None, limit: int
) -> list[RedemptionRow]:
    """Return the newest redemptions that are older than the redemption `than`, or the newest of all, newest first."""
    return _page(session, listing=listing, above=LOWEST_ID, below=than or HIGHEST_ID, limit=limit, order="DESC")


def newer_redemptions(session: Session, *, listing: RedemptionListing, than: UUID, limit: int) -> list[RedemptionRow]:
    """Return the oldest redemptions that are newer than the redemption `than`, newest first."""
    above = UUID(int=min(than.int + 1, HIGHEST_ID.int))
    return _page(session, listing=listing, above=above, below=HIGHEST_ID, limit=limit, order="ASC")[::-1]


def _page(
    session: Session, *, listing: RedemptionListing, above: UUID, below: UUID, limit: int, order: str
) -> list[RedemptionRow]:
    owners = listing.owners()
    branches = " UNION ALL ".join(f"({each})" for each in _branches(listing, owners=owners, order=order))
    if not branches:
        return []
    parameters: dict[str, Any] = {
        "project": listing.project,
        "lowest": max(above, first_id_at(listing.decided_from)) if listing.decided_from else above,
        "highest": min(below, first_id_at(listing.decided_before)) if listing.decided_before else below,
        "limit": limit,
        **owners,
        **({"code_ids": list(listing.code_ids)} if listing.code is not None else {}),
    }
    return list(session.execute(text(_PAGE.format(branches=branches, order=order)), parameters).all())


def _branches(listing: RedemptionListing, *, owners: Mapping[str, Any], order: str) -> Iterator[str]:
    owner, *others = owners or [None]
    conditions = " AND ".join(_CONDITIONS[each] for each in others if each) or "true"
    if listing.is_accepted_listed:
        yield from _accepted(owner, conditions=conditions, order=order)
    for reason in sorted(listing.reasons):
        yield _refused(owner, reason=reason, conditions=conditions, order=order)


def _accepted(owner: str | None, *, conditions: str, order: str) -> Iterator[str]:
    if owner in {None, "code"}:
        accepted = _ACCEPTED if owner is None else "redemption_number IS NOT NULL"
        yield _rows(owner, outcome=accepted, conditions=conditions, order=order)
        return
    if owner == "subscription":
        in_span = "subscription = :subscription AND redemption.id >= :lowest AND redemption.id < :highest"
        discounts = [_DISCOUNTS_OF_SUBSCRIPTION]
        conditions = f"{in_span} AND {conditions}"
    else:
        discounts = [
            _DISCOUNTS_OF_OWNER.format(owner=f"{owner} = :{owner} AND", status=each.value, order=order)
            for each in DiscountStatus
        ]
    for each in discounts:
        yield _OF_DISCOUNTS.format(discounts=each, columns=_COLUMNS, conditions=conditions, order=order)


def _refused(owner: str | None, *, reason: Refusal, conditions: str, order: str) -> str:
    if owner == "code" and reason is Refusal.VOUCHER_NOT_FOUND:
        beginning = UNKNOWN_CODE_KEY.replace("code", _CODE)
        return _ROWS.format(
            columns=_COLUMNS,
            owner=f"{UNKNOWN_CODE_KEY} = {beginning} AND",
            collation="C",
            outcome="voucher_id IS NULL",
            conditions=f"lower(code) = lower({_CODE}) AND {conditions}",
            order=f"id {order}",
        )
    return _rows(owner, outcome=f"reason = '{reason.value}'", conditions=conditions, order=order)


def _rows(owner: str | None, *, outcome: str, conditions: str, order: str) -> str:
    """Return the query for the rows of an outcome, by the index that begins with the owner."""
    by_index = {None: "", "code": "code_id = named.code_id AND"}.get(owner, f"{owner} = :{owner} AND")
    rows = _ROWS.format(
        columns=_COLUMNS,
        owner=by_index,
        collation="POSIX" if owner is None else "C",
        outcome=outcome,
        conditions=conditions,
        # The planner sees that the index has this order: with IS NULL only if the order has the reason too, and with an
        # equal reason only if not.
        order=f"reason {order}, id {order}" if outcome == _ACCEPTED else f"id {order}",
    )
    return _OF_CODES.format(rows=rows, order=order) if owner == "code" else rows
