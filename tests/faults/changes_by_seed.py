"""The changes of discounts in a run, drawn by a seed: moves to free and to taken subscriptions, and extensions."""

import random
from collections import deque
from collections.abc import Callable, Iterator

from tests.faults.history import Json
from tests.faults.request import PROJECT, Request

MOVED_SHARE, EXTENDED_SHARE = 0.1, 0.3
DURATIONS = {"durationInMonths": "months", "durationInCycles": "cycles"}


class Changes:
    """Draws moves and extensions. The note of a change is its request id, so a history tells who asked for it."""

    def __init__(self, source: random.Random, *, next_id: Callable[[str], str]) -> None:
        self.source = source
        self._next_id = next_id
        # By voucher: the field of an extension, and subscriptions that the voucher was redeemed or held for.
        self._units: dict[str, str] = {}
        self._taken: dict[str, deque[str]] = {}

    def know_voucher(self, voucher: Json) -> None:
        """Remember how the discounts of a voucher can be extended."""
        for field, unit in DURATIONS.items():
            if voucher["recurrence"].get(field) is not None:
                self._units[voucher["id"]] = unit

    def know_subscription(self, answer: Json) -> None:
        """Remember the subscription of a redemption or a hold."""
        self._taken.setdefault(answer["voucher"], deque(maxlen=5)).append(answer["subscription"])

    def of_redemption(self, redemption: Json) -> Iterator[Request]:
        """Yield moves and extensions of the discount, or nothing. Two moves of it may run at the same time."""
        if self.source.random() < MOVED_SHARE:
            yield from (self._move(redemption) for _ in range(self.source.randint(1, 2)))
        unit = self._units.get(redemption["voucher"])
        if unit and self.source.random() < EXTENDED_SHARE:
            yield from (self._extend(redemption, unit=unit) for _ in range(self.source.randint(1, 2)))

    def back(self, move: Json, answer: Json) -> Iterator[Request]:
        """Yield a move of a moved discount to where it came from, or nothing."""
        came_from = [each["from"]["subscription"] for each in answer["history"] if each["kind"] == "moved"]
        if came_from and self.source.random() < 1 / 4:
            yield self._change("discounts.move", move["discount"], subscription=came_from[0])

    def _move(self, redemption: Json) -> Request:
        targets = [self._next_id("sub"), self._next_id("sub"), *self._taken.get(redemption["voucher"], ())]
        return self._change("discounts.move", redemption["discount"], subscription=self.source.choice(targets))

    def _extend(self, redemption: Json, *, unit: str) -> Request:
        return self._change("discounts.extend", redemption["discount"], **{unit: self.source.randint(1, 3)})

    def _change(self, task: str, discount: str, **fields: object) -> Request:
        request_id = self._next_id("change")
        signed = {"requestId": request_id, "note": request_id, "actor": "anna@support"}
        return Request(task, {"project": PROJECT, "discount": discount, **signed, **fields})
