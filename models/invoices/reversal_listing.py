"""List reversals, newest first, in pages that start at a cursor. Credits have no answers, and are not listed."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.reversal import ReversalKind
from domain.value_class import value
from models.base import LOOK_UP_COLLATION
from models.invoices.row_types import ListedReversalRow

_OWNERS = {
    "invoice": "invoice = :invoice",
    "subscription": "(answer ->> 'subscription') = :subscription",
    "customer": "(answer ->> 'customer') = :customer",
}
# A query for each kind by itself, so that a page never skips over rows of another kind. OFFSET 0 keeps the planner from
# using the index of another owner.
_OF_KIND = """
    (SELECT id, answer, actor FROM (
        SELECT id, answer, actor, invoice FROM invoice_reversals
        WHERE {owner} AND project COLLATE "{collation}" = :project AND kind = '{kind}' AND {position}
        ORDER BY id {order} OFFSET 0
     ) AS of_owner
     WHERE {conditions} ORDER BY id {order} LIMIT :limit)
"""
# An invoice has few reversals: all are read.
_OF_INVOICE = """
    SELECT id, answer, actor FROM (
        SELECT id, answer, actor, kind FROM invoice_reversals
        WHERE project = :project AND invoice = :invoice AND credited_by IS NULL OFFSET 0
    ) AS of_invoice
    WHERE kind = ANY(CAST(:kinds AS text[])) AND {position} AND {conditions}
"""
_PAGE = "SELECT * FROM ({pages}) AS pages ORDER BY id {order} LIMIT :limit"


@value
class ReversalListing:
    """A filter for reversals of a project. At least one of invoice, subscription and customer is given."""

    project: str
    kinds: frozenset[ReversalKind]
    invoice: str | None
    subscription: str | None
    customer: str | None


def older_reversals(
    session: Session, *, listing: ReversalListing, than: UUID | None, limit: int
) -> list[ListedReversalRow]:
    """Return the newest reversals that are older than the reversal `than`, or the newest of all, newest first."""
    return _page(session, listing=listing, position="id < :than" if than else "true", than=than, limit=limit)


def newer_reversals(session: Session, *, listing: ReversalListing, than: UUID, limit: int) -> list[ListedReversalRow]:
    """Return the oldest reversals that are newer than the reversal `than`, newest first."""
    return _page(session, listing=listing, position="id > :than", than=than, limit=limit, order="ASC")[::-1]


def _page(
    session: Session, *, listing: ReversalListing, position: str, than: UUID | None, limit: int, order: str = "DESC"
) -> list[ListedReversalRow]:
    owners = {name: each for name in _OWNERS if (each := getattr(listing, name)) is not None}
    pages = " UNION ALL ".join(_pages(listing, owners=list(owners), position=position, order=order))
    parameters: dict[str, Any] = {"project": listing.project, "limit": limit, **owners}
    parameters["kinds"] = [each.value for each in listing.kinds]
    statement = text(_PAGE.format(pages=pages, order=order))
    return list(session.execute(statement, parameters | ({"than": than} if than else {})).all())


def _pages(listing: ReversalListing, *, owners: list[str], position: str, order: str) -> Iterator[str]:
    owner, *others = owners
    conditions = " AND ".join(_OWNERS[each] for each in others) or "true"
    if owner == "invoice":
        yield _OF_INVOICE.format(position=position, conditions=conditions)
        return
    for kind in listing.kinds:
        yield _OF_KIND.format(
            owner=_OWNERS[owner],
            collation=LOOK_UP_COLLATION,
            kind=kind.value,
            position=position,
            conditions=conditions,
            order=order,
        )
