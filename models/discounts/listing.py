"""List discounts, newest first, in pages that start at a cursor."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value import value
from models.base import LOOK_UP_COLLATION, StoredRow
from models.discounts.discount import DiscountStatus

# Which of its amounts a discount shows first is said by its voucher, whose money terms are frozen.
_SHOWN = """
    SELECT discount.*, voucher.currency, voucher.maximum_discount_currency
    FROM ({ids}) AS listed
    CROSS JOIN LATERAL (SELECT * FROM discounts WHERE project = :project AND id = listed.id OFFSET 0) AS discount
    CROSS JOIN LATERAL (
        SELECT currency, maximum_discount_currency FROM vouchers
        WHERE project = :project AND id = discount.voucher_id
        OFFSET 0
    ) AS voucher
    ORDER BY discount.id DESC
"""
_NAMED = text(_SHOWN.format(ids="SELECT id FROM unnest(CAST(:ids AS uuid[])) AS named (id)"))
# A subscription's are few: they are read by its index, then put in order.
_OF_SUBSCRIPTION = """
    SELECT id FROM (
        SELECT id, status, customer, voucher_id FROM discounts
        WHERE subscription = :subscription AND project COLLATE "{collation}" = :project
        OFFSET 0
    ) AS of_subscription
    WHERE status = ANY(CAST(:statuses AS text[])) AND {conditions} ORDER BY id {order} LIMIT :limit
"""
# Each status by itself, by the index that has it, so that a page never passes over what it does not show.
_OF_STATUS = """
    (SELECT id FROM discounts
     WHERE project COLLATE "C" = :project AND status = '{status}' AND {conditions} ORDER BY id {order} LIMIT :limit)
"""
_BY_STATUS = "SELECT id FROM ({pages}) AS pages ORDER BY id {order} LIMIT :limit"


@value
class DiscountListing:
    """Which discounts of a project are listed: of a subscription, a customer or a voucher, at least one of them."""

    project: str
    statuses: frozenset[DiscountStatus]
    subscription: str | None
    customer: str | None
    voucher_id: UUID | None


def find_discounts(session: Session, *, project: str, ids: Iterable[UUID]) -> list[StoredRow]:
    """This function will return those discounts with their vouchers' currencies, newest first."""
    return list(session.execute(_NAMED, {"project": project, "ids": list(ids)}).all())


def older_discounts(session: Session, *, listing: DiscountListing, than: UUID | None, limit: int) -> list[StoredRow]:
    """This function will return the newest discounts older than that one, or of all, newest first."""
    return _page(session, listing=listing, position=None if than is None else "id < :than", than=than, limit=limit)


def newer_discounts(session: Session, *, listing: DiscountListing, than: UUID, limit: int) -> list[StoredRow]:
    """This function will return the oldest discounts newer than that one, newest first."""
    return _page(session, listing=listing, position="id > :than", than=than, limit=limit, order="ASC")


def _page(
    session: Session,
    *,
    listing: DiscountListing,
    position: str | None,
    than: UUID | None,
    limit: int,
    order: str = "DESC",
) -> list[StoredRow]:
    given: dict[str, Any] = {"customer": listing.customer, "voucher_id": listing.voucher_id}
    given = {name: each for name, each in given.items() if each is not None}
    conditions = " AND ".join([*(f"{name} = :{name}" for name in given), *([position] if position else [])]) or "true"
    parameters = {"project": listing.project, "limit": limit, **given, **({"than": than} if than else {})}
    if listing.subscription is not None:
        ids = _OF_SUBSCRIPTION.format(conditions=conditions, order=order, collation=LOOK_UP_COLLATION)
        statuses = [each.value for each in listing.statuses]
        parameters |= {"subscription": listing.subscription, "statuses": statuses}
    else:
        pages = [_OF_STATUS.format(status=each.value, conditions=conditions, order=order) for each in listing.statuses]
        ids = _BY_STATUS.format(pages=" UNION ALL ".join(pages), order=order)
    return list(session.execute(text(_SHOWN.format(ids=ids)), parameters).all())
