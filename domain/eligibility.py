"""Whether a request may redeem a voucher, and the one reason where it may not."""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

from domain.code import CodeRetiredReason, CodeTerms
from domain.terms import FixedDiscount, PriceDiscount, Restrictions, RetiredReason
from domain.value import value

# As many as Stripe allows on one subscription; it bounds the work on one invoice.
DISCOUNTS_PER_SUBSCRIPTION_MAX = 20


class Refusal(StrEnum):
    """Every reason for a refusal, in order of precedence: the first that is true is the answer."""

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    VOUCHER_NOT_FOUND = "voucher_not_found"
    VOUCHER_RETIRED = "voucher_retired"
    CODE_RETIRED = "code_retired"
    VOUCHER_NOT_STARTED = "voucher_not_started"
    VOUCHER_EXPIRED = "voucher_expired"
    CODE_EXPIRED = "code_expired"
    MAX_REDEMPTIONS_REACHED = "max_redemptions_reached"
    CODE_MAX_REDEMPTIONS_REACHED = "code_max_redemptions_reached"
    CODE_NOT_FOR_CUSTOMER = "code_not_for_customer"
    CUSTOMER_LIMIT_REACHED = "customer_limit_reached"
    ALREADY_APPLIED = "already_applied"
    STAMP_CARD_INCOMPLETE = "stamp_card_incomplete"
    PRODUCT_NOT_ELIGIBLE = "product_not_eligible"
    CURRENCY_MISMATCH = "currency_mismatch"
    MINIMUM_SUBTOTAL_NOT_MET = "minimum_subtotal_not_met"
    DISCOUNT_LIMIT_REACHED = "discount_limit_reached"
    # Last, so that it is told to those alone for whom a place may still become free: the one that is worth a retry.
    FULLY_RESERVED = "fully_reserved"


@value
class Candidate:
    """The voucher as it stands when its row is locked, with the code where the request names one."""

    price_discount: PriceDiscount
    restrictions: Restrictions
    retired_reason: RetiredReason | None
    code: CodeTerms | None = None
    # It is granted for a completed stamp card only.
    needs_stamp_card: bool = False


@value
class Purchase:
    """What the request says about what is being bought, and by whom. `subtotal_minor` is in `currency`."""

    products: frozenset[str]
    currency: str | None
    subtotal_minor: int | None
    customer: str | None = None


@value
class Counts:
    """How often the voucher was redeemed so far, in all, by this customer and by this code, and what is running."""

    taken: int
    taken_by_customer: int
    voucher_is_running: bool
    running_discounts: int
    taken_by_code: int = 0
    # Whether the request comes from the entry that completed a stamp card.
    stamp_card_is_complete: bool = False
    # What is held beside that: in all, by this customer and by this code, and by somebody else on the subscription.
    held: int = 0
    held_by_customer: int = 0
    held_by_code: int = 0
    subscription_is_held: bool = False


def decisive_instant(*, decided_at: datetime, requested_at: datetime | None, grace: timedelta) -> datetime:
    """This function will return the instant at which the voucher must be open.

    It is the customer's own (`requested_at`) where that lies at most `grace` back, so that a queue's delay
    costs the customer nothing, and the decision's in every other case.
    """
    if requested_at is not None and decided_at - grace <= requested_at <= decided_at:
        return requested_at
    return decided_at


def judge(candidate: Candidate | None, *, purchase: Purchase, counts: Counts, effective_at: datetime) -> Refusal | None:
    """This function will return the first reason to refuse, or None for an eligible request.

    A voucher or a code that a sweep retired as expired or full is judged by its window and its count, so that
    the answer is the same whether the sweep has run or not.
    """
    if candidate is None:
        return Refusal.VOUCHER_NOT_FOUND
    for reason, applies in RULES:
        if applies(candidate, purchase, counts, effective_at):
            return reason
    return None


_JUDGED_BY_LIMITS = {None, CodeRetiredReason.EXPIRED, CodeRetiredReason.MAX_REDEMPTIONS_REACHED}

Rule = Callable[[Candidate, Purchase, Counts, datetime], bool]


def _is_retired(candidate: Candidate, _purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    return candidate.retired_reason in {RetiredReason.MANUAL_ACTION, RetiredReason.UNKNOWN}


def _code_is_retired(candidate: Candidate, _purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    code = candidate.code
    return code is not None and code.retired_reason not in _JUDGED_BY_LIMITS


def _has_not_started(candidate: Candidate, _purchase: Purchase, _standing: Counts, at: datetime) -> bool:
    starts_at = candidate.restrictions.starts_at
    return starts_at is not None and at < starts_at


def _has_expired(candidate: Candidate, _purchase: Purchase, _standing: Counts, at: datetime) -> bool:
    expires_at = candidate.restrictions.expires_at
    return expires_at is not None and at >= expires_at


def _code_has_expired(candidate: Candidate, _purchase: Purchase, _standing: Counts, at: datetime) -> bool:
    code = candidate.code
    return code is not None and code.expires_at is not None and at >= code.expires_at


def _is_full(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.restrictions.maximum_redemptions
    return maximum is not None and counts.taken >= maximum


def _code_is_full(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.code.maximum_redemptions if candidate.code else None
    return maximum is not None and counts.taken_by_code >= maximum


def _is_anothers(candidate: Candidate, purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    customer = candidate.code.customer if candidate.code else None
    return customer is not None and customer != purchase.customer


def _customer_has_had_it(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.restrictions.maximum_redemptions_per_customer
    return maximum is not None and counts.taken_by_customer >= maximum


def _runs_already(_candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return counts.voucher_is_running


def _card_is_incomplete(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return candidate.needs_stamp_card and not counts.stamp_card_is_complete


def _has_no_product(candidate: Candidate, purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    products = candidate.restrictions.products
    return products is not None and products.isdisjoint(purchase.products)


def _has_another_currency(candidate: Candidate, purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    discount = candidate.price_discount
    return isinstance(discount, FixedDiscount) and purchase.currency not in discount.amounts_minor


def _is_too_small(candidate: Candidate, purchase: Purchase, _standing: Counts, _at: datetime) -> bool:
    minimum = candidate.restrictions.minimum_subtotal
    return minimum is not None and (
        purchase.currency != minimum.currency
        or purchase.subtotal_minor is None
        or purchase.subtotal_minor < minimum.amount_minor
    )


def _subscription_is_full(_candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return counts.running_discounts >= DISCOUNTS_PER_SUBSCRIPTION_MAX


def _is_fully_reserved(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    restrictions, code = candidate.restrictions, candidate.code
    limits = (
        (restrictions.maximum_redemptions, counts.taken + counts.held),
        (code.maximum_redemptions if code else None, counts.taken_by_code + counts.held_by_code),
        (
            restrictions.maximum_redemptions_per_customer,
            counts.taken_by_customer + counts.held_by_customer,
        ),
    )
    return counts.subscription_is_held or any(maximum is not None and taken >= maximum for maximum, taken in limits)


RULES: tuple[tuple[Refusal, Rule], ...] = (
    (Refusal.VOUCHER_RETIRED, _is_retired),
    (Refusal.CODE_RETIRED, _code_is_retired),
    (Refusal.VOUCHER_NOT_STARTED, _has_not_started),
    (Refusal.VOUCHER_EXPIRED, _has_expired),
    (Refusal.CODE_EXPIRED, _code_has_expired),
    (Refusal.MAX_REDEMPTIONS_REACHED, _is_full),
    (Refusal.CODE_MAX_REDEMPTIONS_REACHED, _code_is_full),
    (Refusal.CODE_NOT_FOR_CUSTOMER, _is_anothers),
    (Refusal.CUSTOMER_LIMIT_REACHED, _customer_has_had_it),
    (Refusal.ALREADY_APPLIED, _runs_already),
    (Refusal.STAMP_CARD_INCOMPLETE, _card_is_incomplete),
    (Refusal.PRODUCT_NOT_ELIGIBLE, _has_no_product),
    (Refusal.CURRENCY_MISMATCH, _has_another_currency),
    (Refusal.MINIMUM_SUBTOTAL_NOT_MET, _is_too_small),
    (Refusal.DISCOUNT_LIMIT_REACHED, _subscription_is_full),
    (Refusal.FULLY_RESERVED, _is_fully_reserved),
)
