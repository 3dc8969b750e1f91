"""What a voucher promises: how much, for how long, and to whom."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RecurrenceType(StrEnum):
    """How many billing periods a discount covers."""

    ONCE = "once"
    REPEATING = "repeating"
    FOREVER = "forever"


class RetiredReason(StrEnum):
    """Why a voucher can no longer be redeemed."""

    MANUAL_ACTION = "manualAction"
    EXPIRED = "expired"
    MAX_REDEMPTIONS_REACHED = "maxRedemptionsReached"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentageDiscount:
    """A share of the base, 1 to 10,000 basis points."""

    basis_points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedDiscount:
    """An amount for each currency that the voucher names, in minor units, by ISO 4217 code."""

    amounts_minor: Mapping[str, int]


PriceDiscount = PercentageDiscount | FixedDiscount


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """A type, with 1 to 999 months where it is `repeating`."""

    type: RecurrenceType
    duration_in_months: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in minor units of an ISO 4217 currency."""

    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """Who may redeem a voucher, when, and how often. None is no restriction; the window is half-open."""

    starts_at: datetime | None = None
    expires_at: datetime | None = None
    maximum_redemptions: int | None = None
    maximum_redemptions_per_customer: int | None = None
    products: frozenset[str] | None = None
    minimum_subtotal: Money | None = None
