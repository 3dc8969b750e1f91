"""Holds: places that are kept for a customer for a while, and what confirming one is judged by."""

from dataclasses import replace
from enum import StrEnum

from domain.eligibility import Candidate, Counts
from domain.terms import Restrictions
from domain.value import value


class HoldStatus(StrEnum):
    """What has become of a request to hold a place. Only an open one that has not lapsed counts against a limit."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    # Its customer took the place with another request.
    REPLACED = "replaced"
    LAPSED = "lapsed"
    # No place was held.
    REFUSED = "refused"


class HoldRefusal(StrEnum):
    """The reason for refusing a confirmation that no redemption has."""

    HOLD_RELEASED = "hold_released"


def honoured(candidate: Candidate) -> Candidate:
    """This function will return a voucher as a hold promised it: what has changed since refuses nobody.

    Neither its window and retirement nor its code's count, nor what may be bought, nor how often by one customer: that
    was decided when the place was held. What stays is what cannot change against it: the voucher's maximum, its price,
    and its code's own limit, end and customer.
    """
    return replace(
        candidate,
        retired_reason=None,
        code=candidate.code and replace(candidate.code, retired_reason=None),
        restrictions=Restrictions(maximum_redemptions=candidate.restrictions.maximum_redemptions),
    )


@value
class Shortage:
    """How many held places must come back before there is room: of the customer's own, and by the code among them."""

    places: int
    by_code: int


def shortage(candidate: Candidate, *, counts: Counts) -> Shortage:
    """This function will return how many of a customer's own holds have to make way for a request of the customer."""
    restrictions, code = candidate.restrictions, candidate.code
    by_code = _missing(code.maximum_redemptions if code else None, counts.taken_by_code + counts.held_by_code)
    in_all = _missing(restrictions.maximum_redemptions, counts.taken + counts.held)
    of_customer = _missing(
        restrictions.maximum_redemptions_per_customer, counts.taken_by_customer + counts.held_by_customer
    )
    return Shortage(places=max(in_all, of_customer, by_code), by_code=by_code)


def _missing(maximum: int | None, taken: int) -> int:
    return 0 if maximum is None else max(0, taken + 1 - maximum)
