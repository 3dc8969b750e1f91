"""Decide whether a request may redeem a voucher, and give the reason for a refusal."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from domain.code_terms import CodeRetiredReason, CodeTerms
from domain.combination import Others, is_combinable
from domain.terms import FixedDiscount, PriceDiscount, Ramp, Restrictions, RetiredReason
from domain.value_class import value

# Stripe has the same limit. It bounds the work on an invoice.
DISCOUNTS_PER_SUBSCRIPTION_MAX = 20


class Refusal(StrEnum):
    """Every reason to refuse a redemption or a hold, in order of precedence: the answer is the first that applies.

    Confirmations, updates and endings of discounts are refused with reasons of their own enums.
    """

    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    # Before any other look at the code, so that the answer says nothing about it.
    TOO_MANY_ATTEMPTS = "too_many_attempts"
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
    CODE_CUSTOMER_LIMIT_REACHED = "code_customer_limit_reached"
    ALREADY_APPLIED = "already_applied"
    STAMP_CARD_INCOMPLETE = "stamp_card_incomplete"
    NOT_FIRST_PURCHASE = "not_first_purchase"
    PRODUCT_NOT_ELIGIBLE = "product_not_eligible"
    CURRENCY_MISMATCH = "currency_mismatch"
    MINIMUM_SUBTOTAL_NOT_MET = "minimum_subtotal_not_met"
    NOT_COMBINABLE = "not_combinable"
    DISCOUNT_LIMIT_REACHED = "discount_limit_reached"
    # Last: returned only if nothing else stands against the request, so that a retry can succeed.
    FULLY_RESERVED = "fully_reserved"


# Waiting can change the answer, so the same request may be sent again, and the answer is not stored.
RETRYABLE = frozenset({Refusal.TOO_MANY_ATTEMPTS, Refusal.FULLY_RESERVED})
# A conflict is not stored either: the id belongs to another body.
STORED = [each for each in Refusal if each not in RETRYABLE and each is not Refusal.IDEMPOTENCY_CONFLICT]
# No repetition gets the customer another place, but a discount that the customer has can be moved.
NO_PLACE_LEFT = frozenset(
    {
        Refusal.VOUCHER_RETIRED,
        Refusal.CODE_RETIRED,
        Refusal.VOUCHER_EXPIRED,
        Refusal.CODE_EXPIRED,
        Refusal.MAX_REDEMPTIONS_REACHED,
        Refusal.CODE_MAX_REDEMPTIONS_REACHED,
        Refusal.CUSTOMER_LIMIT_REACHED,
        Refusal.CODE_CUSTOMER_LIMIT_REACHED,
    }
)


@value
class Candidate:
    """A voucher as locked, with the code if the request names a code."""

    price_discount: PriceDiscount | Ramp
    restrictions: Restrictions
    retired_reason: RetiredReason | None
    code: CodeTerms | None = None
    # Only a completed stamp card grants the voucher.
    needs_stamp_card: bool = False
    # Never together with another discount on a subscription.
    is_exclusive: bool = False


@value
class Purchase:
    """The products, the amount and the customer of a request. `subtotal_minor` is in minor units of `currency`."""

    products: frozenset[str]
    currency: str | None
    subtotal_minor: int | None
    customer: str | None = None
    is_first_purchase: bool = False


@value
class Counts:
    """The places of a voucher that are taken and held, and the discounts that are running on the subscription.

    Places are counted in all, for the request's customer, for the request's code, and for both. Returned places are not
    taken.
    """

    taken: int
    taken_by_customer: int
    voucher_is_running: bool
    running_discounts: int
    taken_by_code: int = 0
    taken_by_customer_and_code: int = 0
    # The request comes from the usage entry that completed a stamp card.
    stamp_card_is_complete: bool = False
    held: int = 0
    held_by_customer: int = 0
    held_by_code: int = 0
    held_by_customer_and_code: int = 0
    # Another customer holds the voucher for this subscription.
    subscription_is_held: bool = False
    others: Others = field(default_factory=Others)


def judge(candidate: Candidate | None, *, purchase: Purchase, counts: Counts, effective_at: datetime) -> Refusal | None:
    """Return the first reason to refuse a request, or None if the request is eligible.

    If a sweep retired a voucher or a code as expired or full, the window and the count decide instead. So the answer
    does not depend on the sweep.
    """
    if candidate is None:
        return Refusal.VOUCHER_NOT_FOUND
    for reason, applies in RULES:
        if applies(candidate, purchase, counts, effective_at):
            return reason
    return None


def refusal_of_place(candidate: Candidate, *, taken: int, held: int, now: datetime) -> Refusal | None:
    """Return why a voucher has no further place for anybody, or None. `taken` and `held` count its places."""
    counts = Counts(taken=taken, taken_by_customer=0, voucher_is_running=False, running_discounts=0, held=held)
    nothing_bought = Purchase(products=frozenset(), currency=None, subtotal_minor=None)
    of_place = (
        (Refusal.VOUCHER_RETIRED, _is_retired),
        (Refusal.VOUCHER_EXPIRED, _has_expired),
        (Refusal.MAX_REDEMPTIONS_REACHED, _is_full),
        (Refusal.FULLY_RESERVED, _is_fully_reserved),
    )
    return next((reason for reason, applies in of_place if applies(candidate, nothing_bought, counts, now)), None)


# Not retired by hand. For these, the window and the count of the code decide.
_JUDGED_BY_LIMITS = {None, CodeRetiredReason.EXPIRED, CodeRetiredReason.MAX_REDEMPTIONS_REACHED}

Rule = Callable[[Candidate, Purchase, Counts, datetime], bool]


def _is_retired(candidate: Candidate, _purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    return candidate.retired_reason in {RetiredReason.MANUAL_ACTION, RetiredReason.UNKNOWN}


def _code_is_retired(candidate: Candidate, _purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    code = candidate.code
    return code is not None and code.retired_reason not in _JUDGED_BY_LIMITS


def _has_not_started(candidate: Candidate, _purchase: Purchase, _counts: Counts, at: datetime) -> bool:
    starts_at = candidate.restrictions.starts_at
    return starts_at is not None and at < starts_at


def _has_expired(candidate: Candidate, _purchase: Purchase, _counts: Counts, at: datetime) -> bool:
    expires_at = candidate.restrictions.expires_at
    return expires_at is not None and at >= expires_at


def _code_has_expired(candidate: Candidate, _purchase: Purchase, _counts: Counts, at: datetime) -> bool:
    code = candidate.code
    return code is not None and code.expires_at is not None and at >= code.expires_at


def _is_full(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.restrictions.maximum_redemptions
    return maximum is not None and counts.taken >= maximum


def _code_is_full(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.code.maximum_redemptions if candidate.code else None
    return maximum is not None and counts.taken_by_code >= maximum


def _code_is_for_another_customer(candidate: Candidate, purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    customer = candidate.code.customer if candidate.code else None
    return customer is not None and customer != purchase.customer


def _customer_limit_is_reached(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.restrictions.maximum_redemptions_per_customer
    return maximum is not None and counts.taken_by_customer >= maximum


def _code_customer_limit_is_reached(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    maximum = candidate.code.maximum_redemptions_per_customer if candidate.code else None
    return maximum is not None and counts.taken_by_customer_and_code >= maximum


def _is_already_applied(_candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return counts.voucher_is_running


def _stamp_card_is_incomplete(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return candidate.needs_stamp_card and not counts.stamp_card_is_complete


def _is_not_first_purchase(candidate: Candidate, purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    return candidate.restrictions.first_purchase_only and not purchase.is_first_purchase


def _has_no_eligible_product(candidate: Candidate, purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    restrictions = candidate.restrictions
    eligible = purchase.products - restrictions.excluded_products
    if restrictions.products is not None:
        return restrictions.products.isdisjoint(eligible)
    # A request that names no products may be for any.
    return bool(purchase.products) and not eligible


def _has_no_amount_in_currency(candidate: Candidate, purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    price = candidate.price_discount
    # A ramp is promised as a whole, so the currency must be that of each of its amounts.
    discounts = [each.price_discount for each in price.phases] if isinstance(price, Ramp) else [price]
    amounts = (each.amounts_minor for each in discounts if isinstance(each, FixedDiscount))
    return any(purchase.currency not in each for each in amounts)


def _is_below_minimum_subtotal(candidate: Candidate, purchase: Purchase, _counts: Counts, _at: datetime) -> bool:
    minimum = candidate.restrictions.minimum_subtotal
    return minimum is not None and (
        purchase.currency != minimum.currency
        or purchase.subtotal_minor is None
        or purchase.subtotal_minor < minimum.amount_minor
    )


def _is_not_combinable(candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
    return not is_combinable(is_exclusive=candidate.is_exclusive, others=counts.others)


def _discount_limit_is_reached(_candidate: Candidate, _purchase: Purchase, counts: Counts, _at: datetime) -> bool:
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
        (
            code.maximum_redemptions_per_customer if code else None,
            counts.taken_by_customer_and_code + counts.held_by_customer_and_code,
        ),
    )
    return counts.subscription_is_held or any(maximum is not None and used >= maximum for maximum, used in limits)


RULES: tuple[tuple[Refusal, Rule], ...] = (
    (Refusal.VOUCHER_RETIRED, _is_retired),
    (Refusal.CODE_RETIRED, _code_is_retired),
    (Refusal.VOUCHER_NOT_STARTED, _has_not_started),
    (Refusal.VOUCHER_EXPIRED, _has_expired),
    (Refusal.CODE_EXPIRED, _code_has_expired),
    (Refusal.MAX_REDEMPTIONS_REACHED, _is_full),
    (Refusal.CODE_MAX_REDEMPTIONS_REACHED, _code_is_full),
    (Refusal.CODE_NOT_FOR_CUSTOMER, _code_is_for_another_customer),
    (Refusal.CUSTOMER_LIMIT_REACHED, _customer_limit_is_reached),
    (Refusal.CODE_CUSTOMER_LIMIT_REACHED, _code_customer_limit_is_reached),
    (Refusal.ALREADY_APPLIED, _is_already_applied),
    (Refusal.STAMP_CARD_INCOMPLETE, _stamp_card_is_incomplete),
    (Refusal.NOT_FIRST_PURCHASE, _is_not_first_purchase),
    (Refusal.PRODUCT_NOT_ELIGIBLE, _has_no_eligible_product),
    (Refusal.CURRENCY_MISMATCH, _has_no_amount_in_currency),
    (Refusal.MINIMUM_SUBTOTAL_NOT_MET, _is_below_minimum_subtotal),
    (Refusal.NOT_COMBINABLE, _is_not_combinable),
    (Refusal.DISCOUNT_LIMIT_REACHED, _discount_limit_is_reached),
    (Refusal.FULLY_RESERVED, _is_fully_reserved),
)
