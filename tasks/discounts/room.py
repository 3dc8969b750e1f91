"""The room of locked subscriptions: whether another discount can run there."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

from domain.discount_change import ChangeRefusal, room_refusal
from models.discounts.discount import DiscountStatus
from models.discounts.of_subscription import is_running
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import complete_discounts_by_id
from models.discounts.row_types import DiscountRow
from models.redemptions.hold import find_held_places

# The project, the subscription and the voucher.
Place = tuple[str, str, UUID]


def place_of(row: DiscountRow) -> Place:
    """Return the place that a discount takes while it runs."""
    return row.project, row.subscription, row.voucher_id


@dataclass(slots=True)
class Room:
    """The vouchers that run on subscriptions, and the places that holds keep there."""

    running: defaultdict[SubscriptionKey, list[UUID]]
    held: set[Place]

    @classmethod
    def read(cls, session: Session, *, beside: Sequence[DiscountRow], wanted: Sequence[Place], at: datetime) -> Self:
        """Read the room for the `wanted` places, and complete discounts whose window has ended.

        Call it after locking the subscriptions and `beside`, the other running discounts there.
        """
        running = [each for each in beside if is_running(each, today=at.date())]
        expired = [each for each in beside if each.status == DiscountStatus.RUNNING and each not in running]
        complete_discounts_by_id(session, keys=[(each.project, each.id) for each in expired], at=at)
        room = cls(running=defaultdict(list), held=find_held_places(session, places=wanted, now=at))
        for each in running:
            room.take(place_of(each))
        return room

    def refusal(self, place: Place) -> ChangeRefusal | None:
        """Return why no further discount can run in that place, or None."""
        project, subscription, voucher_id = place
        return room_refusal(voucher_id, running=self.running[project, subscription], is_held=place in self.held)

    def take(self, place: Place) -> None:
        """Count a discount that runs in that place."""
        project, subscription, voucher_id = place
        self.running[project, subscription].append(voucher_id)
