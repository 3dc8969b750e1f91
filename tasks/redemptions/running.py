"""The vouchers that run on the subscriptions of a batch, with those that the batch has granted so far."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

from models.discounts.of_subscription import find_running, is_within_window
from models.discounts.present_subscription import SubscriptionKey


class Running:
    """The running vouchers by project and subscription, and the subscriptions on which an exclusive voucher runs."""

    def __init__(self) -> None:
        # Lists, not sets: a subscription has few vouchers, and hashing a UUID is slow.
        self._vouchers: defaultdict[SubscriptionKey, list[UUID]] = defaultdict(list)
        self._with_exclusive: set[SubscriptionKey] = set()
        # The discounts whose window is over, but which no sweep has completed yet.
        self.to_complete: list[tuple[str, UUID]] = []

    @classmethod
    def read(cls, session: Session, *, subscriptions: Collection[SubscriptionKey], today: date) -> Self:
        """Read the discounts that are stored as running, and sort out those whose window is over."""
        running = cls()
        for row in find_running(session, subscriptions=subscriptions):
            if is_within_window(row, today=today):
                subscription = (row.project, row.subscription)
                running.add(row.voucher_id, subscription=subscription, is_exclusive=row.exclusive)
            else:
                running.to_complete.append((row.project, row.id))
        return running

    def on(self, subscription: SubscriptionKey) -> Sequence[UUID]:
        """Return the ids of the vouchers that run on a subscription."""
        return self._vouchers[subscription]

    def is_exclusive_on(self, subscription: SubscriptionKey) -> bool:
        """Return whether an exclusive voucher runs on a subscription."""
        return subscription in self._with_exclusive

    def add(self, voucher_id: UUID, *, subscription: SubscriptionKey, is_exclusive: bool) -> None:
        """Count a voucher that runs on a subscription."""
        self._vouchers[subscription].append(voucher_id)
        if is_exclusive:
            self._with_exclusive.add(subscription)
