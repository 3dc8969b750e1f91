"""The room of locked subscriptions: whether another discount can run there."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

from domain.combination import Others
from domain.discount_change import ChangeRefusal, room_refusal
from domain.value_class import value
from models.discounts.discount import DiscountStatus
from models.discounts.of_subscription import is_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import complete_discounts_by_id
from models.discounts.row_types import DiscountRow
from models.redemptions.open_holds import find_held_on
from models.redemptions.row_types import HeldBesideRow


@value
class Place:
    """The place that a discount takes on a subscription while it runs there."""

    # The project and the subscription.
    subscription: SubscriptionKey
    voucher_id: UUID
    is_exclusive: bool


def place_of(row: DiscountRow) -> Place:
    """Return the place that a discount takes while it runs."""
    return place_on((row.project, row.subscription), row=row)


def place_on(subscription: SubscriptionKey, *, row: DiscountRow) -> Place:
    """Return the place that a discount would take on a subscription."""
    return Place(subscription=subscription, voucher_id=row.voucher_id, is_exclusive=row.exclusive)


@dataclass(slots=True)
class Room:
    """The places that are taken on subscriptions, and the holds that keep places there."""

    running: defaultdict[SubscriptionKey, list[Place]]
    held: defaultdict[SubscriptionKey, list[HeldBesideRow]]

    @classmethod
    def read(
        cls,
        session: Session,
        *,
        beside: Sequence[DiscountRow],
        subscriptions: Collection[SubscriptionKey],
        at: datetime,
    ) -> Self:
        """Read the room of subscriptions, and complete discounts whose window has ended.

        Call it after locking the subscriptions and `beside`, the other running discounts there.
        """
        running = [each for each in beside if is_running(each, today=at.date())]
        expired = [each for each in beside if each.status == DiscountStatus.RUNNING and each not in running]
        complete_discounts_by_id(session, keys=[(each.project, each.id) for each in expired], at=at)
        room = cls(running=defaultdict(list), held=defaultdict(list))
        for hold in find_held_on(session, subscriptions=subscriptions, now=at):
            room.held[hold.project, hold.subscription].append(hold)
        for each in running:
            room.take(place_of(each))
        return room

    def refusal(self, place: Place) -> ChangeRefusal | None:
        """Return why no further discount can run in that place, or None."""
        running, held = self.running[place.subscription], self.held[place.subscription]
        return room_refusal(
            place.voucher_id,
            is_exclusive=place.is_exclusive,
            running=[each.voucher_id for each in running],
            beside=Others(exist=bool(running), include_exclusive=any(each.is_exclusive for each in running)),
            held=Others(exist=bool(held), include_exclusive=any(each.exclusive for each in held)),
            is_held=any(each.voucher_id == place.voucher_id for each in held),
        )

    def take(self, place: Place) -> None:
        """Count a discount that runs in that place."""
        self.running[place.subscription].append(place)
