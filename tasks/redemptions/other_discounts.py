"""Name the customer's discount on another subscription in refusals, so that the caller can move it."""

from collections.abc import Mapping, Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.eligibility import NO_PLACE_LEFT
from models.redemptions.other_discount import find_other_discounts
from tasks.wire.answers import Answer, identity


class OtherDiscounts:
    """The refusals of a batch that name another discount. Without such a refusal, no statement is sent."""

    def __init__(self) -> None:
        self._refused: list[tuple[SimpleNamespace, Answer, int]] = []

    def note(self, row: SimpleNamespace, *, answer: Answer, granted: int) -> None:
        """Note a decided request. The batch had granted so many discounts before."""
        if row.reason in NO_PLACE_LEFT:
            self._refused.append((row, answer, granted))

    def name(self, session: Session, *, granted: Sequence[Mapping[str, Any]], today: date) -> None:
        """Name the newest other discount in each noted row and answer. `granted` are those of the batch, in order."""
        if not self._refused:
            return
        keys = [(row.project, row.voucher_id, row.customer, row.subscription) for row, _, _ in self._refused]
        stored = find_other_discounts(session, keys=keys, today=today)
        for (row, answer, count), earlier in zip(self._refused, stored, strict=True):
            row.other_discount_id = _newest(row, granted[:count]) or earlier
            answer["discount"] = identity("dis", row.other_discount_id)


def _newest(row: SimpleNamespace, granted: Sequence[Mapping[str, Any]]) -> UUID | None:
    place = (row.project, row.voucher_id, row.customer)
    return next(
        (
            each["id"]
            for each in reversed(granted)
            if (each["project"], each["voucher_id"], each["customer"]) == place
            and each["subscription"] != row.subscription
        ),
        None,
    )
