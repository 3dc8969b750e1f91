"""The changes of discounts in a run, drawn by a seed: moves to free and to taken subscriptions, and extensions."""

import random
from collections import deque
from collections.abc import Callable, Iterator

from tests.faults.history import Json
from tests.faults.request import PROJECT, Request

MOVED_SHARE, EXTENDED_SHARE, MOVED_TO_HOLD_SHARE = 0.1, 0.3, 0.4
DURATIONS = {"durationInMonths": "months", "durationInCycles": "cycles"}


class Changes:
    """Draws moves and extensions. The note of a change is its request id, so a history tells who asked for it."""

    def __init__(self, source: random.Random, *, next_id: Callable[[str], str]) -> None:
        self.source = source
        self._next_id = next_id
        # By voucher: the field of an extension, and the latest redemptions.
        self._units: dict[str, str] = {}
        self._redeemed: dict[str, deque[Json]] = {}

    def know_voucher(self, voucher: Json) -> None:
        """Remember how the discounts of a voucher can be extended."""
        for field, unit in DURATIONS.items():
            if voucher["recurrence"].get(field) is not None:
                self._units[voucher["id"]] = unit

    def of_redemption(self, redemption: Json) -> Iterator[Request]:
        """Yield moves and extensions of the discount, or nothing. Two moves of it may run at the same time."""
        if self.source.random() < MOVED_SHARE:
            yield from (self._move(redemption) for _ in range(self.source.randint(1, 2)))
        unit = self._units.get(redemption["voucher"])
        if unit and self.source.random() < EXTENDED_SHARE:
            yield from (self._extend(redemption, unit=unit) for _ in range(self.source.randint(1, 2)))
        self._redeemed.setdefault(redemption["voucher"], deque(maxlen=5)).append(redemption)

    def of_hold(self, hold: Json) -> Iterator[Request]:
        """Yield a move of another discount of the voucher to the held subscription, or nothing."""
        redeemed = self._redeemed.get(hold["voucher"])
        if redeemed and self.source.random() < MOVED_TO_HOLD_SHARE:
            discount = self.source.choice(redeemed)["discount"]
            yield self._change("discounts.move", discount, subscription=hold["subscription"])

    def back(self, move: Json, answer: Json) -> Iterator[Request]:
        """Yield a move of a moved discount to where it came from, or nothing."""
        came_from = [each["from"]["subscription"] for each in answer["history"] if each["kind"] == "moved"]
        if came_from and self.source.random() < 1 / 4:
            yield self._change("discounts.move", move["discount"], subscription=came_from[0])

    def _move(self, redemption: Json) -> Request:
        taken = [each["subscription"] for each in self._redeemed.get(redemption["voucher"], ())]
        targets = [self._next_id("sub"), self._next_id("sub"), *taken[-2:]]
        return self._change("discounts.move", redemption["discount"], subscription=self.source.choice(targets))

    def _extend(self, redemption: Json, *, unit: str) -> Request:
        return self._change("discounts.extend", redemption["discount"], **{unit: self.source.randint(1, 3)})

    def _change(self, task: str, discount: str, **fields: object) -> Request:
        request_id = self._next_id("change")
        signed = {"requestId": request_id, "note": request_id, "actor": "anna@support"}
        return Request(task, {"project": PROJECT, "discount": discount, **signed, **fields})
