"""List holds, newest first, in pages that start at a cursor."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.hold import HoldStatus
from domain.value_class import value
from models.base import HIGHEST_ID, LOOK_UP_COLLATION
from models.redemptions.row_types import AcceptedHoldRow

_COLUMNS = (
    "project, request_id, id, fingerprint, voucher_id, code_id, code, customer, subscription, request, reason, "
    "effective_at, created_at, expires_at, status, other_discount_id"
)
# A query for each status by itself, so that a page never skips over rows of another status. It has the conditions of
# the index of its owner, and OFFSET 0 keeps the planner from moving the others in.
_OF_STATUS = """
    (SELECT * FROM (
        SELECT {columns} FROM holds
        WHERE {owner} = :{owner} AND project COLLATE "{collation}" = :project AND status = '{status}' AND {position}
        ORDER BY id {order} OFFSET 0
     ) AS of_owner
     WHERE {conditions} ORDER BY id {order} LIMIT :limit)
"""
# Open holds that have lapsed, of all projects: a sweep closes them within a minute.
_NOT_SWEPT = """
    (SELECT * FROM (SELECT {columns} FROM holds WHERE status = 'open' AND expires_at <= :now OFFSET 0) AS not_swept
     WHERE {owner} = :{owner} AND project = :project AND {position} AND {conditions} ORDER BY id {order} LIMIT :limit)
"""
_PAGE = "SELECT * FROM ({pages}) AS pages ORDER BY id {order} LIMIT :limit"


@value
class HoldListing:
    """A filter for holds of a project. At least one of subscription, customer and voucher is given.

    An open hold whose end is not after `now` has lapsed, whether or not a sweep has run.
    """

    project: str
    statuses: frozenset[HoldStatus]
    now: datetime
    subscription: str | None
    customer: str | None
    voucher_id: UUID | None


def older_holds(session: Session, *, listing: HoldListing, than: UUID | None, limit: int) -> list[AcceptedHoldRow]:
    """Return the newest holds that are older than the hold `than`, or the newest of all, newest first."""
    return _page(session, listing=listing, position="id < :than", than=than or HIGHEST_ID, limit=limit)


def newer_holds(session: Session, *, listing: HoldListing, than: UUID, limit: int) -> list[AcceptedHoldRow]:
    """Return the oldest holds that are newer than the hold `than`, newest first."""
    return _page(session, listing=listing, position="id > :than", than=than, limit=limit, order="ASC")[::-1]


def _page(
    session: Session, *, listing: HoldListing, position: str, than: UUID, limit: int, order: str = "DESC"
) -> list[AcceptedHoldRow]:
    names = ("subscription", "customer", "voucher_id")
    owners = {name: each for name in names if (each := getattr(listing, name)) is not None}
    owner, *others = owners
    pages = " UNION ALL ".join(
        query.format(
            columns=_COLUMNS,
            owner=owner,
            collation=LOOK_UP_COLLATION,
            status=status.value,
            position=position,
            conditions=" AND ".join([condition, *(f"{name} = :{name}" for name in others)]),
            order=order,
        )
        for query, status, condition in _queries(listing.statuses)
    )
    parameters: dict[str, Any] = {
        "project": listing.project,
        "now": listing.now,
        "than": than,
        "limit": limit,
        **owners,
    }
    statement = text(_PAGE.format(pages=pages, order=order))
    return list(session.execute(statement, parameters).all())


def _queries(statuses: frozenset[HoldStatus]) -> Iterator[tuple[str, HoldStatus, str]]:
    """Yield a query for each status as it is stored, with a condition."""
    for each in statuses - {HoldStatus.OPEN}:
        yield _OF_STATUS, each, "true"
    if HoldStatus.OPEN in statuses:
        yield _OF_STATUS, HoldStatus.OPEN, "true" if HoldStatus.LAPSED in statuses else "expires_at > :now"
    elif HoldStatus.LAPSED in statuses:
        yield _NOT_SWEPT, HoldStatus.OPEN, "true"
