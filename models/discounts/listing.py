"""List discounts, newest first, in pages that start at a cursor."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.value_class import value
from models.base import LOOK_UP_COLLATION
from models.discounts.discount import DiscountStatus
from models.discounts.row_types import ListedDiscountRow

# The voucher says which currency of a discount is shown as the main amount. A redeemed voucher keeps its money terms,
# so discounts have no copy of these currencies.
_SHOWN = """
    SELECT discount.*, voucher.currency, voucher.maximum_discount_currency,
           voucher.maximum_discount_in_all_currency, changes.history, imported.imported
    FROM ({ids}) AS listed
    CROSS JOIN LATERAL (SELECT * FROM discounts WHERE project = :project AND id = listed.id OFFSET 0) AS discount
    CROSS JOIN LATERAL (
        SELECT currency, maximum_discount_currency, maximum_discount_in_all_currency FROM vouchers
        WHERE project = :project AND id = discount.voucher_id
        OFFSET 0
    ) AS voucher
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(latest), '[]') AS history
        FROM (
            SELECT * FROM discount_changes
            WHERE project = :project AND discount_id = discount.id
            ORDER BY number DESC LIMIT {changes_max}
        ) AS latest
    ) AS changes
    LEFT JOIN LATERAL (
        SELECT to_json(imported_discounts) AS imported FROM imported_discounts
        WHERE discount.is_imported AND project = :project AND discount_id = discount.id
        OFFSET 0
    ) AS imported ON true
    ORDER BY discount.id DESC
"""
# Answers show the latest changes of each discount. The table keeps all of them.
CHANGES_SHOWN_MAX = 10
_NAMED = text(
    _SHOWN.format(ids="SELECT id FROM unnest(CAST(:ids AS uuid[])) AS named (id)", changes_max=CHANGES_SHOWN_MAX)
)
# A subscription has few discounts: read all of them by its index, then sort.
_OF_SUBSCRIPTION = """
    SELECT id FROM (
        SELECT id, status, customer, voucher_id FROM discounts
        WHERE subscription = :subscription AND project COLLATE "{collation}" = :project
        OFFSET 0
    ) AS of_subscription
    WHERE status = ANY(CAST(:statuses AS text[])) AND {conditions} ORDER BY id {order} LIMIT :limit
"""
# The discounts that are there now, and those that were moved elsewhere.
_EVER_ON_SUBSCRIPTION = f"""
    SELECT id FROM (
        SELECT id FROM discounts
        WHERE subscription = :subscription AND project COLLATE "{LOOK_UP_COLLATION}" = :project
        UNION
        SELECT discount_id FROM discount_changes
        WHERE from_subscription = :subscription AND project COLLATE "{LOOK_UP_COLLATION}" = :project
    ) AS ever_on_subscription
    WHERE CAST(:than AS uuid) IS NULL OR id < :than ORDER BY id DESC LIMIT :limit
"""  # noqa: S608 - put together from the constant above
_EVER_ON = text(_SHOWN.format(ids=_EVER_ON_SUBSCRIPTION, changes_max=CHANGES_SHOWN_MAX))
# A query for each status by itself uses an index that has the status. So a page never skips over rows of another
# status.
_OF_STATUS = """
    (SELECT id FROM discounts
     WHERE project COLLATE "C" = :project AND status = '{status}' AND {conditions} ORDER BY id {order} LIMIT :limit)
"""
_BY_STATUS = "SELECT id FROM ({pages}) AS pages ORDER BY id {order} LIMIT :limit"


@value
class DiscountListing:
    """A filter for discounts of a project. At least one of subscription, customer and voucher is given."""

    project: str
    statuses: frozenset[DiscountStatus]
    subscription: str | None
    customer: str | None
    voucher_id: UUID | None


def find_discounts(session: Session, *, project: str, ids: Iterable[UUID]) -> list[ListedDiscountRow]:
    """Return discounts by their ids, newest first."""
    return list(session.execute(_NAMED, {"project": project, "ids": list(ids)}).all())


def older_discounts(
    session: Session, *, listing: DiscountListing, than: UUID | None, limit: int
) -> list[ListedDiscountRow]:
    """Return the newest discounts that are older than the discount `than`, or the newest of all, newest first."""
    return _page(session, listing=listing, position=None if than is None else "id < :than", than=than, limit=limit)


def newer_discounts(session: Session, *, listing: DiscountListing, than: UUID, limit: int) -> list[ListedDiscountRow]:
    """Return the oldest discounts that are newer than the discount `than`, newest first."""
    return _page(session, listing=listing, position="id > :than", than=than, limit=limit, order="ASC")


def older_discounts_ever_on(
    session: Session, *, project: str, subscription: str, than: UUID | None, limit: int
) -> list[ListedDiscountRow]:
    """Return the newest discounts that are or were on a subscription and are older than the discount `than`.

    Without `than`, return the newest of all. They are in the order of time, newest first.
    """
    parameters = {"project": project, "subscription": subscription, "than": than, "limit": limit}
    return list(session.execute(_EVER_ON, parameters).all())


def _page(
    session: Session,
    *,
    listing: DiscountListing,
    position: str | None,
    than: UUID | None,
    limit: int,
    order: str = "DESC",
) -> list[ListedDiscountRow]:
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
    return list(session.execute(text(_SHOWN.format(ids=ids, changes_max=CHANGES_SHOWN_MAX)), parameters).all())
