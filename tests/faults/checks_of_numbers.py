"""Checks of redemption numbers: 1 to k without a gap, once each, in real-time order, and never above the maximum."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.faults.finding import Finding
from tests.faults.history import Decision, History
from tests.faults.voucher_limits import LimitsOfVouchers


def numbers_with_gaps(history: History) -> Iterator[Finding]:
    """Find vouchers whose numbers are not 1 to k, each once."""
    for voucher, accepted in history.accepted_by_voucher.items():
        counts = Counter(_number(each) for each in accepted)
        for number, count in counts.items():
            if count > 1:
                yield Finding("number given twice", voucher, f"{number} was given {count} times")
        missing = sorted(set(range(1, max(counts) + 1)) - set(counts))
        if missing:
            yield Finding("number missing", voucher, f"{missing[:10]} of {max(counts)}")


def numbers_against_real_time(history: History) -> Iterator[Finding]:
    """Find numbers that run against real time.

    A request that was sent after a number had been told must get a larger number.
    """
    for voucher, accepted in history.accepted_by_voucher.items():
        for earlier, later in _against_real_time(accepted):
            yield Finding("number against real time", voucher, f"{later} was sent after {earlier} had been told")


def _against_real_time(accepted: Sequence[Decision]) -> Iterator[tuple[int, int]]:
    told = sorted(accepted, key=lambda each: each.told_at)
    instants = [each.told_at for each in told]
    largest: list[int] = []
    for each in told:
        largest.append(max([_number(each), *largest[-1:]]))
    for each in accepted:
        before = bisect_left(instants, each.sent_at)
        if before and largest[before - 1] > _number(each):
            yield largest[before - 1], _number(each)


def over_redeemed(history: History) -> Iterator[Finding]:
    """Find numbers above every maximum that may have been in force at their decision. No place is returned."""
    limits = LimitsOfVouchers(history)
    for voucher, accepted in history.accepted_by_voucher.items():
        for each in accepted if limits[voucher].is_known else ():
            if _number(each) > max(limits[voucher].possible_places(each)):
                yield Finding("over-redeemed", voucher, f"{each.key} has the number {_number(each)}")


def maxima_below_the_taken_places(history: History) -> Iterator[Finding]:
    """Find accepted updates of a maximum to less than had been redeemed before the update was sent."""
    for update in history.decided("update"):
        voucher = update.answer.get("id")
        maximum = update.reason is None and update.answer["restrictions"]["maximumRedemptions"]
        taken = sum(each.told_at < update.sent_at for each in history.accepted(voucher))
        if maximum and taken > maximum:
            yield Finding("maximum below the taken places", voucher, f"{maximum}, with {taken} redeemed")


def _number(decision: Decision) -> int:
    number: int = decision.answer["redemptionNumber"]
    return number
