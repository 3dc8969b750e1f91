"""Lock discounts by their ids. Every transaction locks discounts in ascending order of their ids."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import FromClause, Select, Text, Uuid, and_, literal_column, select, text, true
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS
from models.discounts.row_types import DiscountRow

# The project and the discount's id.
DiscountKey = tuple[str, UUID]

NAMED = rows_from_arrays("keys", project=Text(), id=Uuid())
SUBSCRIPTIONS = rows_from_arrays("subscriptions", project=Text(), subscription=Text())
ON_SUBSCRIPTION = and_(
    DISCOUNTS.c.project.collate(LOOK_UP_COLLATION) == SUBSCRIPTIONS.c.project,
    DISCOUNTS.c.subscription == SUBSCRIPTIONS.c.subscription,
)
# OFFSET 0 keeps the planner from reordering the join. Whatever the statistics say, it is one index scan per
# subscription.
ON_EACH = (
    select(DISCOUNTS.c.project, DISCOUNTS.c.id, DISCOUNTS.c.status)
    .where(ON_SUBSCRIPTION)
    .offset(literal_column("0"))
    .correlate(SUBSCRIPTIONS)
    .lateral("on_each")
)
_RUNNING = (
    select(ON_EACH.c.project, ON_EACH.c.id)
    .select_from(SUBSCRIPTIONS.join(ON_EACH, true()))
    .where(ON_EACH.c.status == text("'running'"))
)
_NAMED_OR_RUNNING = select(NAMED.c.project, NAMED.c.id).union(_RUNNING).subquery("named_or_running")


def locking(named: FromClause) -> Select[Any]:
    """Return the statement that locks the discounts which rows name by project and id, ascending by id."""
    return (
        select(DISCOUNTS)
        .join(named, and_(DISCOUNTS.c.project == named.c.project, DISCOUNTS.c.id == named.c.id))
        .order_by(DISCOUNTS.c.id)
        .with_for_update(of=DISCOUNTS, key_share=True)
    )


_LOCK = locking(NAMED)
_LOCK_WITH_RUNNING = locking(_NAMED_OR_RUNNING)


def lock_discounts_by_id(session: Session, *, keys: Iterable[DiscountKey]) -> list[DiscountRow]:
    """Lock discounts, ascending by id, and return them in that order. Call it after locking their subscriptions."""
    return list(session.execute(_LOCK, array_parameters("keys", ("project", "id"), sorted(set(keys)))).all())


def lock_discounts_and_running(
    session: Session, *, keys: Iterable[DiscountKey], subscriptions: Iterable[tuple[str, str]]
) -> list[DiscountRow]:
    """Lock discounts and all running discounts of each (project, subscription), and return them, ascending by id.

    Call it after locking the subscriptions, so that no other discount starts running there meanwhile.
    """
    parameters = array_parameters("keys", ("project", "id"), sorted(set(keys)))
    parameters |= array_parameters("subscriptions", ("project", "subscription"), sorted(set(subscriptions)))
    return list(session.execute(_LOCK_WITH_RUNNING, parameters).all())
