"""Lock discounts by their ids. Every transaction locks discounts in ascending order of their ids."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, bindparam, literal_column, select, text
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS
from models.discounts.row_types import DiscountRow

# The project and the discount's id.
DiscountKey = tuple[str, UUID]

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_LOCK = (
    select(DISCOUNTS)
    .join(_KEYS, and_(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id))
    .order_by(DISCOUNTS.c.id)
    .with_for_update(of=DISCOUNTS, key_share=True)
)
_RUNNING = (
    select(DISCOUNTS.c.project, DISCOUNTS.c.id, DISCOUNTS.c.status)
    .where(
        DISCOUNTS.c.project.collate(LOOK_UP_COLLATION) == bindparam("project"),
        DISCOUNTS.c.subscription == bindparam("subscription"),
    )
    # OFFSET 0 makes the planner use the subscription's index, whatever the statistics say.
    .offset(literal_column("0"))
    .subquery("of_subscription")
)
_NAMED_OR_RUNNING = (
    select(_KEYS.c.project, _KEYS.c.id)
    .union(select(_RUNNING.c.project, _RUNNING.c.id).where(_RUNNING.c.status == text("'running'")))
    .subquery("named_or_running")
)
_LOCK_WITH_RUNNING = (
    select(DISCOUNTS)
    .join(
        _NAMED_OR_RUNNING,
        and_(DISCOUNTS.c.project == _NAMED_OR_RUNNING.c.project, DISCOUNTS.c.id == _NAMED_OR_RUNNING.c.id),
    )
    .order_by(DISCOUNTS.c.id)
    .with_for_update(of=DISCOUNTS, key_share=True)
)


def lock_discounts_by_id(session: Session, *, keys: Iterable[DiscountKey]) -> list[DiscountRow]:
    """Lock discounts, ascending by id, and return them in that order. Call it after locking their subscriptions."""
    return list(session.execute(_LOCK, array_parameters("keys", ("project", "id"), sorted(set(keys)))).all())


def lock_discounts_and_running(
    session: Session, *, keys: Iterable[DiscountKey], subscription: tuple[str, str]
) -> list[DiscountRow]:
    """Lock discounts and all running discounts of a (project, subscription), and return them, ascending by id.

    Call it after locking the subscription, so that no other discount starts running there meanwhile.
    """
    project, name = subscription
    parameters = array_parameters("keys", ("project", "id"), sorted(set(keys)))
    return list(session.execute(_LOCK_WITH_RUNNING, {**parameters, "project": project, "subscription": name}).all())
