"""Find requests for a hold that were refused, by customer or by subscription."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import HIGHEST_ID, columns_of
from models.redemptions.row_types import HoldRow

# The conditions and the collation are those of the indexes. OFFSET 0 keeps the planner from using another index.
_REFUSED = """
    SELECT * FROM (
        SELECT {columns} FROM holds
        WHERE {owner} = :owner AND project COLLATE "C" = :project AND reason IS NOT NULL AND id < :than
        ORDER BY id DESC OFFSET 0
    ) AS refused
    LIMIT :limit
"""
_COLUMNS = ", ".join(columns_of(HoldRow))
_BY_CUSTOMER = text(_REFUSED.format(columns=_COLUMNS, owner="customer"))
_BY_SUBSCRIPTION = text(_REFUSED.format(columns=_COLUMNS, owner="subscription"))


def older_refused_of_customer(
    session: Session, *, project: str, customer: str, than: UUID | None, limit: int
) -> list[HoldRow]:
    """Return the newest refused requests of a customer that are older than `than`, or the newest of all."""
    parameters: dict[str, Any] = {"project": project, "owner": customer, "than": than or HIGHEST_ID, "limit": limit}
    return list(session.execute(_BY_CUSTOMER, parameters).all())


def older_refused_of_subscription(
    session: Session, *, project: str, subscription: str, than: UUID | None, limit: int
) -> list[HoldRow]:
    """Return the newest refused requests for a subscription that are older than `than`, or the newest of all."""
    parameters: dict[str, Any] = {"project": project, "owner": subscription, "than": than or HIGHEST_ID, "limit": limit}
    return list(session.execute(_BY_SUBSCRIPTION, parameters).all())
