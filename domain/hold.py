"""The rules of holds: their statuses, their promise, and the shortage of places that replaces them."""

from dataclasses import replace
from enum import StrEnum

from domain.eligibility import Candidate, Counts
from domain.terms import Restrictions
from domain.value_class import value


class HoldStatus(StrEnum):
    """The status of a request to hold a place. Only an open hold whose end lies ahead counts against a limit."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    # The customer took the place with another request.
    REPLACED = "replaced"
    LAPSED = "lapsed"
    # No place was held.
    REFUSED = "refused"


# Statuses that never change again.
FINAL_STATUSES = frozenset({HoldStatus.CONFIRMED, HoldStatus.RELEASED, HoldStatus.REFUSED})


class HoldRefusal(StrEnum):
    """A reason to refuse a confirmation that does not apply to redemptions."""

    HOLD_RELEASED = "hold_released"


def honoured(candidate: Candidate) -> Candidate:
    """Return a voucher without the terms that were checked when its place was held.

    A later change of these terms must not refuse the confirmation: window, retirement, first purchase, products,
    minimum subtotal, customer limit, and the retirement of the code. The voucher's maximum, its price and the terms of
    the code are kept: they cannot get worse while the hold is open.
    """
    return replace(
        candidate,
        retired_reason=None,
        code=candidate.code and replace(candidate.code, retired_reason=None),
        restrictions=Restrictions(maximum_redemptions=candidate.restrictions.maximum_redemptions),
    )


@value
class Shortage:
    """How many of a customer's holds must be replaced to make room: in all, and among them by the request's code."""

    places: int
    by_code: int


def shortage(candidate: Candidate, *, counts: Counts) -> Shortage:
    """Return how many holds of a customer must be replaced so that the customer's request fits within every limit."""
    restrictions, code = candidate.restrictions, candidate.code
    by_code = max(
        _places_missing(code.maximum_redemptions if code else None, counts.taken_by_code + counts.held_by_code),
        _places_missing(
            code.maximum_redemptions_per_customer if code else None,
            counts.taken_by_customer_and_code + counts.held_by_customer_and_code,
        ),
    )
    in_all = _places_missing(restrictions.maximum_redemptions, counts.taken + counts.held)
    of_customer = _places_missing(
        restrictions.maximum_redemptions_per_customer, counts.taken_by_customer + counts.held_by_customer
    )
    return Shortage(places=max(in_all, of_customer, by_code), by_code=by_code)


def _places_missing(maximum: int | None, taken: int) -> int:
    return 0 if maximum is None else max(0, taken + 1 - maximum)
