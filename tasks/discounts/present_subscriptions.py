"""Lock the subscriptions that discounts are on, and notice if a discount was moved during the wait."""

from collections.abc import Collection, Iterable

from sqlalchemy.orm import Session

from models.discounts.locks import DiscountKey
from models.discounts.present_subscription import SubscriptionKey, find_present_subscriptions
from models.discounts.row_types import DiscountRow
from models.discounts.subscription import lock_subscriptions
from tasks.wire.errors import NotFound
from worker.database import ChangedMeanwhileError


def lock_present_subscriptions(
    session: Session, *, discounts: Collection[DiscountKey], beside: Iterable[SubscriptionKey] = ()
) -> set[SubscriptionKey]:
    """Lock the subscriptions that discounts are on, and those named beside. Return all of them.

    A discount may be moved before the lock is held. So check the rows with `check_not_moved` after locking them.
    Raises NotFound if there is no such discount.
    """
    present = find_present_subscriptions(session, keys=discounts)
    if len(present) < len(set(discounts)):
        raise NotFound("discount")
    subscriptions = {*present.values(), *beside}
    lock_subscriptions(session, keys=subscriptions)
    return subscriptions


def check_not_moved(rows: Iterable[DiscountRow], *, locked: Collection[SubscriptionKey]) -> None:
    """Check that locked discounts are on locked subscriptions. Raises ChangedMeanwhileError if one was moved."""
    if any((each.project, each.subscription) not in locked for each in rows):
        raise ChangedMeanwhileError
