"""Locks of discounts that are named by their ids, in the one order in which all discounts are locked: ascending."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, bindparam, literal_column, select, text
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, StoredRow, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS

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
    # Read by the subscription's index, whatever the statistics say.
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


def lock_discounts_by_id(session: Session, *, keys: Iterable[DiscountKey]) -> list[StoredRow]:
    """This function will lock those discounts, ascending by id, and return them in that order.

    Take it after the locks of their subscriptions.
    """
    return list(session.execute(_LOCK, array_parameters("keys", ("project", "id"), sorted(set(keys)))).all())


def lock_with_running(
    session: Session, *, keys: Iterable[DiscountKey], subscription: tuple[str, str]
) -> list[StoredRow]:
    """This function will lock those discounts and all that run on the subscription, ascending by id, in one go.

    Take it after the lock of that (project, subscription): then no other one begins to run there meanwhile.
    """
    project, name = subscription
    parameters = array_parameters("keys", ("project", "id"), sorted(set(keys)))
    return list(session.execute(_LOCK_WITH_RUNNING, {**parameters, "project": project, "subscription": name}).all())
