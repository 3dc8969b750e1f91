"""The limits of vouchers over time, as far as the askings of a run tell them."""

from dataclasses import dataclass
from functools import cached_property
from math import inf

from tests.faults.history import Decision, History, Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Maximum:
    """A `maximumRedemptions`, and the time in which it may have been in force."""

    places: float
    since: float
    until: float


class VoucherLimits:
    """What a voucher allowed, and when. An answer to `vouchers.create` or `vouchers.update` tells the limits."""

    def __init__(self, history: History, voucher: str) -> None:
        answered = (*history.decided("voucher"), *history.decided("update"))
        self.changes = sorted(
            (each for each in answered if each.answer.get("id") == voucher and each.reason is None),
            key=lambda each: each.sent_at,
        )
        self.retired_since = min(
            (each.sent_at for each in history.decided("retirement") if each.answer["id"] == voucher), default=inf
        )

    @cached_property
    def maxima(self) -> list[Maximum]:
        """Every maximum that the voucher had. A change may have happened as soon as it was sent."""
        ends = [each.told_at for each in self.changes[1:]] + [inf]
        return [
            Maximum(places=_places(each.answer), since=each.sent_at, until=until)
            for each, until in zip(self.changes, ends, strict=True)
        ]

    @property
    def is_known(self) -> bool:
        """Whether the history has the creation of the voucher."""
        return bool(self.changes)

    @property
    def created(self) -> Json:
        """The voucher as it was created."""
        return self.changes[0].answer

    @property
    def customer_maximum(self) -> int | None:
        """The maximum for each customer."""
        maximum: int | None = self.created["restrictions"]["maximumRedemptionsPerCustomer"]
        return maximum

    def possible_places(self, decision: Decision) -> list[float]:
        """Return the maxima that may have been in force at a decision. Infinity stands for none."""
        return [
            each.places for each in self.maxima if each.since <= decision.told_at and each.until >= decision.sent_at
        ]


class LimitsOfVouchers(dict[str | None, VoucherLimits]):
    """The limits of each voucher of a history, read from it at the first use."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self.history = history

    def __missing__(self, voucher: str | None) -> VoucherLimits:
        self[voucher] = VoucherLimits(self.history, voucher or "")
        return self[voucher]


def _places(voucher: Json) -> float:
    maximum = voucher["restrictions"]["maximumRedemptions"]
    return inf if maximum is None else float(maximum)
