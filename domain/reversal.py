"""Taking back what was taken off an invoice: who may, each refund's share of it, and what is left afterwards."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from enum import StrEnum
from uuid import UUID

from domain.money import allocate
from domain.recurrence import Period, Progress, advance
from domain.terms import Recurrence, RecurrenceType
from domain.value import value


class ReversalReason(StrEnum):
    """Why what was taken off an invoice is taken back."""

    VOIDED = "voided"
    PAYMENT_FAILED = "payment_failed"
    REFUNDED = "refunded"


# As if the invoice had never been: the discount gets its cycle back. A refund is of something that was had.
GIVING_BACK = frozenset({ReversalReason.VOIDED, ReversalReason.PAYMENT_FAILED})


class ReversalRefusal(StrEnum):
    """Every reason for refusing a reversal, in order of precedence: the first that is true is the answer."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    ALREADY_REVERSED = "already_reversed"
    ALREADY_REFUNDED = "already_refunded"
    LINE_NOT_FOUND = "line_not_found"
    AMOUNT_EXCEEDS_LINE = "amount_exceeds_line"


@value
class BilledLine:
    """A line as it was billed: what each discount took off it, and what was refunded of it since, in minor units."""

    amount_minor: int
    by_discount: Mapping[UUID, int]
    refunded_minor: int
    # Of what each discount took off, the part that went with the refunds.
    returned: Mapping[UUID, int]

    def is_refunded(self) -> bool:
        """This method will tell whether it was refunded to its last unit."""
        return 0 < self.refunded_minor == self.amount_minor

    def left_minor(self) -> int:
        """This method will return what was not refunded of it."""
        return self.amount_minor - self.refunded_minor

    def left_by_discount(self) -> dict[UUID, int]:
        """This method will return what each discount took off what was not refunded of it."""
        return {each: taken - self.returned.get(each, 0) for each, taken in self.by_discount.items()}


def judge_reversal(
    reason: ReversalReason,
    *,
    is_charged_back: bool,
    earlier: Collection[ReversalReason],
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
) -> ReversalRefusal | None:
    """This function will return the first reason to refuse, or None. `refunds` are minor units by line."""
    if not GIVING_BACK.isdisjoint(earlier):
        return ReversalRefusal.ALREADY_REVERSED
    # A bank asks nobody: what is left can be charged back whatever was refunded before.
    is_all_refunded = all(line.left_minor() <= 0 for line in lines.values())
    if reason in GIVING_BACK and earlier and (is_all_refunded or not is_charged_back):
        return ReversalRefusal.ALREADY_REFUNDED
    if not refunds.keys() <= lines.keys():
        return ReversalRefusal.LINE_NOT_FOUND
    if any(lines[each].refunded_minor + amount > lines[each].amount_minor for each, amount in refunds.items()):
        return ReversalRefusal.AMOUNT_EXCEEDS_LINE
    return None


def shares_of_refund(line: BilledLine, *, amount_minor: int) -> dict[UUID, int]:
    """This function will return what each discount's part of a refund is, in minor units.

    Rounded half up on all that was refunded of the line so far, so that refunds in any number add up to exactly the
    discount (Lago's credit notes round each by itself). Of several discounts each has its part by largest remainder
    on what is left of it.
    """
    whole, refunded = line.amount_minor, line.refunded_minor + amount_minor
    discount_minor = sum(line.by_discount.values())
    due = (2 * refunded * discount_minor + whole) // (2 * whole) - sum(line.returned.values())
    left = line.left_by_discount()
    return dict(zip(left, allocate(due, weights=list(left.values())), strict=True))


def progress_through(recurrence: Recurrence, *, periods: Iterable[Period]) -> Progress:
    """This function will return how far a discount has come with invoices of those periods, in the order applied."""
    progress, starts = Progress(), set[date]()
    for period in periods:
        progress = advance(recurrence, progress=progress, period=period, is_new_period=period.start not in starts)
        starts.add(period.start)
    return progress


def counts_as_over(recurrence: Recurrence, *, progress: Progress, is_used_up: bool, today: date) -> bool:
    """This function will tell whether a discount has nothing more to give to the periods that are to come."""
    if is_used_up or (recurrence.type is RecurrenceType.ONCE and progress.cycles > 0):
        return True
    return progress.ends_on is not None and progress.ends_on <= today
