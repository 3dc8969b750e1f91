"""The terms of a voucher: the amount of its discounts, how long they run, and who may redeem it when."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from domain.value_class import value


class RecurrenceType(StrEnum):
    """How many billing cycles a discount covers."""

    ONCE = "once"
    REPEATING = "repeating"
    FOREVER = "forever"


class RetiredReason(StrEnum):
    """Why a voucher can no longer be redeemed."""

    MANUAL_ACTION = "manualAction"
    EXPIRED = "expired"
    MAX_REDEMPTIONS_REACHED = "maxRedemptionsReached"
    UNKNOWN = "unknown"


@value
class PercentageDiscount:
    """A share of the base, 1 to 1,000,000 millionths."""

    millionths: int


@value
class FixedDiscount:
    """An amount in minor units for each currency of the voucher, by ISO 4217 code."""

    amounts_minor: Mapping[str, int]


PriceDiscount = PercentageDiscount | FixedDiscount
# Of a voucher that names none, from 0 to 1,000. The discount with the lowest number is applied first.
PRIORITY = 500


@value
class Phase:
    """A phase of a ramp: its price, and how long it lasts, in months or cycles as the recurrence counts."""

    price_discount: PriceDiscount
    duration: int


PHASES_MAX = 12


@value
class Ramp:
    """The phases of a voucher, 1 to 12, in their order. Together they last as long as its recurrence."""

    phases: tuple[Phase, ...]


@value
class Recurrence:
    """How long a discount runs. Only `repeating` has a duration: 1 to 999 months, or 1 to 999 billing cycles."""

    type: RecurrenceType
    duration_in_months: int | None = None
    duration_in_cycles: int | None = None


@value
class Money:
    """An amount in minor units of an ISO 4217 currency."""

    amount_minor: int
    currency: str


@value
class Restrictions:
    """Who may redeem a voucher, when, and how often. None is no restriction.

    The window includes `starts_at` and excludes `expires_at`.
    """

    starts_at: datetime | None = None
    expires_at: datetime | None = None
    maximum_redemptions: int | None = None
    maximum_redemptions_per_customer: int | None = None
    products: frozenset[str] | None = None
    minimum_subtotal: Money | None = None
    # Never discounted. No product is in both sets.
    excluded_products: frozenset[str] = frozenset()
    first_purchase_only: bool = False
