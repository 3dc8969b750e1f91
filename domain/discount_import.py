"""Take over a discount that ran in another system: how far it had come, and why it may be refused."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction

from domain.caps import Caps
from domain.eligibility import Candidate, Refusal, refusal_of_place
from domain.recurrence import Period, Progress, add_months, extend
from domain.terms import FixedDiscount, PriceDiscount, Ramp, Recurrence, RecurrenceType


class ImportRefusal(StrEnum):
    """The reasons to refuse a discount of another system, in order of precedence: the answer is the first that applies.

    The limits of a customer, the products and the purchase were judged there.
    """

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    VOUCHER_NOT_FOUND = "voucher_not_found"
    VOUCHER_RETIRED = "voucher_retired"
    VOUCHER_EXPIRED = "voucher_expired"
    MAX_REDEMPTIONS_REACHED = "max_redemptions_reached"
    ALREADY_APPLIED = "already_applied"
    CURRENCY_MISMATCH = "currency_mismatch"
    BUDGET_SPENT = "budget_spent"
    NOT_COMBINABLE = "not_combinable"
    DISCOUNT_LIMIT_REACHED = "discount_limit_reached"
    # Last: the hold may lapse, so a retry can succeed.
    FULLY_RESERVED = "fully_reserved"


_OF_PLACE = {
    Refusal.VOUCHER_RETIRED: ImportRefusal.VOUCHER_RETIRED,
    Refusal.VOUCHER_EXPIRED: ImportRefusal.VOUCHER_EXPIRED,
    Refusal.MAX_REDEMPTIONS_REACHED: ImportRefusal.MAX_REDEMPTIONS_REACHED,
    Refusal.FULLY_RESERVED: ImportRefusal.FULLY_RESERVED,
}


class Misfit(StrEnum):
    """What a discount of another system cannot have had by the terms of our voucher."""

    CYCLES = "cycles"
    LAST_CYCLE = "last_cycle"
    TAKEN = "taken"


def progress_elsewhere(
    recurrence: Recurrence, *, first_start: date | None, cycles: int, last_cycle: Period | None
) -> Progress:
    """Return the progress of a discount that had so many cycles elsewhere, the last of them as given."""
    if first_start is None or last_cycle is None:
        return Progress()
    had = Progress(first_start=first_start, last_start=last_cycle.start, cycles=cycles, last_end=last_cycle.end)
    return extend(recurrence, progress=had)


def misfits(
    recurrence: Recurrence,
    *,
    total_minor: Mapping[str, int] | None,
    progress: Progress,
    taken: Mapping[str, int],
) -> list[Misfit]:
    """Return what the terms rule out: too many cycles, a cycle after the window, or more than is given in all.

    The amounts are minor units by currency. `total_minor` are those of a balance or of a maximum in all.
    """
    most = 1 if recurrence.type is RecurrenceType.ONCE else recurrence.duration_in_cycles
    ruled_out = {
        Misfit.CYCLES: most is not None and progress.cycles > most,
        Misfit.LAST_CYCLE: _is_after_window(recurrence, progress=progress),
        Misfit.TAKEN: total_minor is not None and _is_more_than_all(total_minor, taken=taken),
    }
    return [each for each, is_so in ruled_out.items() if is_so]


def _is_after_window(recurrence: Recurrence, *, progress: Progress) -> bool:
    first, last, months = progress.first_start, progress.last_start, recurrence.duration_in_months
    return first is not None and last is not None and months is not None and last >= add_months(first, months=months)


def _is_more_than_all(total_minor: Mapping[str, int], *, taken: Mapping[str, int]) -> bool:
    if not taken.keys() <= total_minor.keys():
        return False
    if not all(total_minor[currency] for currency in taken):
        return True
    return sum(Fraction(amount, total_minor[currency]) for currency, amount in taken.items()) > 1


def refusal_of_new_place(candidate: Candidate, *, taken: int, held: int, now: datetime) -> ImportRefusal | None:
    """Return why a voucher has no further place, or None. `taken` and `held` count its places."""
    refusal = refusal_of_place(candidate, taken=taken, held=held, now=now)
    return None if refusal is None else _OF_PLACE[refusal]


def refusal_of_amounts(
    price: PriceDiscount | Ramp,
    *,
    total_minor: Mapping[str, int] | None,
    caps: Caps | None,
    taken: Mapping[str, int],
) -> ImportRefusal | None:
    """Return why amounts, in minor units by currency, cannot have been taken, or None.

    Our voucher must name their currencies, a ramp in one of its phases, and its budget must have as much left.
    """
    is_named = all(_names(price, each) and (total_minor is None or each in total_minor) for each in taken)
    if not is_named or not all(caps is None or caps.allow(each) for each in taken):
        return ImportRefusal.CURRENCY_MISMATCH
    left = None if caps is None else caps.budget_left_minor
    if left is not None and any(amount > left[currency] for currency, amount in taken.items()):
        return ImportRefusal.BUDGET_SPENT
    return None


def _names(price: PriceDiscount | Ramp, currency: str) -> bool:
    if isinstance(price, Ramp):
        return any(_names(each.price_discount, currency) for each in price.phases)
    return not isinstance(price, FixedDiscount) or currency in price.amounts_minor


def first_refusal(reasons: Iterable[ImportRefusal | None]) -> ImportRefusal | None:
    """Return the first of the reasons in order of precedence, or None if there is none."""
    found = set(reasons)
    return next((each for each in ImportRefusal if each in found), None)
