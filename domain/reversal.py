"""Reverse the discounts of an invoice: whether that is allowed, the share of a refund, and the progress afterwards.

A credit line of a later invoice takes back the same share as a refund (`domain.credit`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from datetime import date
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.money import allocate, divide_half_up
from domain.recurrence import NO_PROGRESS, Period, Progress, advance, extend, is_within_cycles
from domain.terms import Recurrence, RecurrenceType
from domain.value_class import value


class ReversalKind(StrEnum):
    """What happened to an invoice whose discounts are reversed."""

    VOIDED = "voided"
    # The payment never came.
    PAYMENT_FAILED = "payment_failed"
    # The payment came, and the customer took it back.
    CHARGED_BACK = "charged_back"
    REFUNDED = "refunded"


# With these kinds the discount gets its cycle back, as if the invoice had never existed. A refund gives no cycle back:
# the customer had the discounted goods.
GIVING_BACK = frozenset(set(ReversalKind) - {ReversalKind.REFUNDED})


class ReversalRefusal(StrEnum):
    """The reasons for refusing a reversal, in order of precedence: the first that is true is the answer."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    ALREADY_REVERSED = "already_reversed"
    ALREADY_REFUNDED = "already_refunded"
    LINE_NOT_FOUND = "line_not_found"
    AMOUNT_EXCEEDS_LINE = "amount_exceeds_line"


@value
class Rest:
    """A part of a line, before discounts, and of all discounts on the line, in minor units."""

    amount_minor: int
    discount_minor: int


@value
class BilledLine:
    """A line of an invoice with its discounts, and with its refunds and credits so far, in minor units."""

    # Before discounts.
    amount_minor: int
    # The amount that each discount took off the line.
    by_discount: Mapping[UUID, int]
    # Of `amount_minor`.
    refunded_minor: int = 0
    credited_minor: int = 0
    # Of `by_discount`: each discount's share of the refunds and credits.
    returned: Mapping[UUID, int] = field(default_factory=dict)
    # What was left when a credit of the line was last reversed; None if none was.
    rounded_from: Rest | None = None

    def is_refunded(self) -> bool:
        """Return whether the whole line was refunded."""
        return 0 < self.refunded_minor == self.amount_minor

    def left_minor(self) -> int:
        """Return the part of the line that was neither refunded nor credited, in minor units."""
        return self.amount_minor - self.refunded_minor - self.credited_minor

    def left_by_discount(self) -> dict[UUID, int]:
        """Return each discount's share of that part, in minor units."""
        return {each: taken - self.returned.get(each, 0) for each, taken in self.by_discount.items()}

    def with_credit(self, amount_minor: int, *, shares: Mapping[UUID, int]) -> Self:
        """Return the line after another credit."""
        returned = {each: self.returned.get(each, 0) + shares[each] for each in self.by_discount}
        return replace(self, credited_minor=self.credited_minor + amount_minor, returned=returned)


def judge_reversal(
    kind: ReversalKind,
    *,
    earlier: Collection[str],
    lines: Mapping[str, BilledLine],
    refunds: Mapping[str, int],
    has_credits: bool = False,
) -> ReversalRefusal | None:
    """Return the first reason to refuse a reversal, or None.

    `earlier` has the kinds of the invoice's earlier reversals, `refunds` the minor units to refund by line.
    `has_credits` says that the invoice itself credits another, which is something to take back.
    """
    if not GIVING_BACK.isdisjoint(earlier):
        return ReversalRefusal.ALREADY_REVERSED
    if kind in GIVING_BACK:
        # A refund says that the invoice was paid. A bank does not ask: the rest can still be charged back.
        is_left = has_credits or any(line.left_minor() > 0 for line in lines.values())
        if ReversalKind.REFUNDED in earlier and not (kind is ReversalKind.CHARGED_BACK and is_left):
            return ReversalRefusal.ALREADY_REFUNDED
    if not refunds.keys() <= lines.keys():
        return ReversalRefusal.LINE_NOT_FOUND
    if any(amount > lines[each].left_minor() for each, amount in refunds.items()):
        return ReversalRefusal.AMOUNT_EXCEEDS_LINE
    return None


def shares_of_refund(line: BilledLine, *, amount_minor: int) -> dict[UUID, int]:
    """Return each discount's share of a refund or a credit of the line, in minor units.

    The total of all refunds and credits of the line is rounded half up, not each of them. So those that add up to the
    line return exactly the discount, however many they are. (Lago's credit notes round each refund by itself.)
    After a credit was reversed, the rounding begins anew with what was left then: the reversal takes back exactly the
    share of the credit, with which the others were rounded. So no share is negative or more than its amount.
    If several discounts are on the line, the share is divided by largest remainder, in proportion to the rest of each.
    """
    left = line.left_by_discount()
    whole = line.rounded_from or Rest(amount_minor=line.amount_minor, discount_minor=sum(line.by_discount.values()))
    returned_minor = whole.amount_minor - line.left_minor() + amount_minor
    due = divide_half_up(returned_minor * whole.discount_minor, whole.amount_minor)
    share = due - (whole.discount_minor - sum(left.values()))
    return dict(zip(left, allocate(share, weights=list(left.values())), strict=True))


def progress_through(
    recurrence: Recurrence, *, cycles: Iterable[Period], elsewhere: Progress = NO_PROGRESS
) -> Progress:
    """Return the progress of a discount through invoices of those cycles, in the order applied.

    `elsewhere` is the progress that an imported discount came with.
    """
    progress, starts = extend(recurrence, progress=elsewhere), set[date]()
    for cycle in cycles:
        is_new_cycle = cycle.start not in starts and not is_within_cycles(cycle.start, progress=elsewhere)
        progress = advance(recurrence, progress=progress, cycle=cycle, is_new_cycle=is_new_cycle)
        starts.add(cycle.start)
    return progress


def is_completed(recurrence: Recurrence, *, progress: Progress, is_used_up: bool, today: date) -> bool:
    """Return whether a discount takes nothing off a period that is still to come.

    `is_used_up` says that the discount has a balance or a maximum in all, and nothing of that is left.
    """
    if is_used_up or (recurrence.type is RecurrenceType.ONCE and progress.cycles > 0):
        return True
    return progress.ends_on is not None and progress.ends_on <= today
