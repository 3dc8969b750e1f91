"""Holds: places that are kept for a customer for a while, and what confirming one is judged by."""

from dataclasses import replace
from enum import StrEnum

from domain.eligibility import Candidate
from domain.terms import Restrictions


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

    Neither its window and retirement nor its code's count, nor what may be bought: that was decided when the place
    was held. The limits stay, and the price, which cannot change while a place is held.
    """
    limits = candidate.restrictions
    return replace(
        candidate,
        retired_reason=None,
        code=candidate.code and replace(candidate.code, retired_reason=None, expires_at=None),
        restrictions=Restrictions(
            maximum_redemptions=limits.maximum_redemptions,
            maximum_redemptions_per_customer=limits.maximum_redemptions_per_customer,
        ),
    )
