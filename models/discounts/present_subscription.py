"""Find the subscription that each discount is on now, which another transaction may change until it is locked."""

from collections.abc import Iterable

from sqlalchemy import Text, Uuid, and_, select
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS
from models.discounts.locks import DiscountKey

# The project and the subscription.
SubscriptionKey = tuple[str, str]

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_PRESENT = select(DISCOUNTS.c.project, DISCOUNTS.c.id, DISCOUNTS.c.subscription).join(
    _KEYS, and_(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id)
)


def find_present_subscriptions(session: Session, *, keys: Iterable[DiscountKey]) -> dict[DiscountKey, SubscriptionKey]:
    """Return the (project, subscription) of each discount that exists, without a lock."""
    rows = session.execute(_PRESENT, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {(row.project, row.id): (row.project, row.subscription) for row in rows}
