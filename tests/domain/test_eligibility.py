"""Eligibility: a decision table in order of precedence, and the decisive instant."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.code_terms import CodeRetiredReason, CodeTerms
from domain.combination import Others
from domain.decisive_instant import decisive_instant
from domain.eligibility import (
    RULES,
    Candidate,
    Counts,
    Purchase,
    Refusal,
    judge,
)
from domain.terms import FixedDiscount, Money, PercentageDiscount, Phase, Ramp, Restrictions, RetiredReason

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
GRACE = timedelta(minutes=15)
CODE_ENDS_AT = NOW + timedelta(hours=1)
CODE = CodeTerms(expires_at=CODE_ENDS_AT, maximum_redemptions=5, maximum_redemptions_per_customer=2, customer="cus_1")
OPEN = Candidate(
    price_discount=FixedDiscount(amounts_minor={"USD": 999, "EUR": 899}),
    restrictions=Restrictions(
        starts_at=NOW - timedelta(days=1),
        expires_at=NOW + timedelta(days=1),
        maximum_redemptions=10,
        maximum_redemptions_per_customer=2,
        products=frozenset({"prod_a"}),
        minimum_subtotal=Money(amount_minor=5000, currency="USD"),
        first_purchase_only=True,
    ),
    retired_reason=None,
    code=CODE,
    needs_stamp_card=True,
)
PURCHASE = Purchase(
    products=frozenset({"prod_a", "prod_b"}),
    currency="USD",
    subtotal_minor=5000,
    customer="cus_1",
    is_first_purchase=True,
)
COUNTS = Counts(
    taken=9,
    taken_by_customer=1,
    voucher_is_running=False,
    running_discounts=19,
    taken_by_code=4,
    taken_by_customer_and_code=1,
    stamp_card_is_complete=True,
)

# The changes that break exactly this rule.
BREAKS: dict[Refusal, dict[str, Any]] = {
    Refusal.VOUCHER_RETIRED: {"retired_reason": RetiredReason.MANUAL_ACTION},
    Refusal.CODE_RETIRED: {"code.retired_reason": CodeRetiredReason.MANUAL_ACTION},
    Refusal.VOUCHER_NOT_STARTED: {"starts_at": NOW + timedelta(microseconds=1)},
    Refusal.VOUCHER_EXPIRED: {"expires_at": NOW},
    Refusal.CODE_EXPIRED: {"code.expires_at": NOW},
    Refusal.MAX_REDEMPTIONS_REACHED: {"taken": 10},
    Refusal.CODE_MAX_REDEMPTIONS_REACHED: {"taken_by_code": 5},
    Refusal.CODE_NOT_FOR_CUSTOMER: {"customer": "cus_2"},
    Refusal.CUSTOMER_LIMIT_REACHED: {"taken_by_customer": 2},
    Refusal.CODE_CUSTOMER_LIMIT_REACHED: {"taken_by_customer_and_code": 2},
    Refusal.ALREADY_APPLIED: {"voucher_is_running": True},
    Refusal.STAMP_CARD_INCOMPLETE: {"stamp_card_is_complete": False},
    Refusal.NOT_FIRST_PURCHASE: {"is_first_purchase": False},
    Refusal.PRODUCT_NOT_ELIGIBLE: {"products": frozenset({"prod_b"})},
    Refusal.CURRENCY_MISMATCH: {"currency": "JPY"},
    Refusal.MINIMUM_SUBTOTAL_NOT_MET: {"subtotal_minor": 4999},
    Refusal.NOT_COMBINABLE: {"others": Others(exist=True, include_exclusive=True)},
    Refusal.DISCOUNT_LIMIT_REACHED: {"running_discounts": 20},
    Refusal.FULLY_RESERVED: {"held": 1},
}
ORDER = list(BREAKS)


def broken(*reasons: Refusal) -> dict:
    """Return the arguments of `judge` with those rules broken."""
    changes = {name: value for reason in reasons for name, value in BREAKS[reason].items()}

    def changed(value, names):
        return replace(value, **{name: each for name, each in changes.items() if name in names})

    restrictions = changed(OPEN.restrictions, {"starts_at", "expires_at"})
    code_changes = {name.removeprefix("code."): value for name, value in changes.items() if name.startswith("code.")}
    code = replace(CODE, **code_changes)
    candidate = replace(changed(OPEN, {"retired_reason"}), restrictions=restrictions, code=code)
    purchase = changed(PURCHASE, {"products", "currency", "subtotal_minor", "customer", "is_first_purchase"})
    counts = changed(COUNTS, {field.name for field in fields(Counts)})
    return {"candidate": candidate, "purchase": purchase, "counts": counts, "effective_at": NOW}


def decide(candidate=OPEN, purchase=PURCHASE, counts=COUNTS, effective_at=NOW):
    """Judge a request that is eligible but for the given arguments."""
    return judge(candidate, purchase=purchase, counts=counts, effective_at=effective_at)


def test_an_eligible_request_is_accepted():
    """Each count is 1 below its limit."""
    assert decide() is None


@pytest.mark.parametrize(
    "held",
    [
        {"held": 1},
        {"held_by_customer": 1},
        {"held_by_code": 1},
        {"held_by_customer_and_code": 1},
        {"subscription_is_held": True},
    ],
)
def test_the_last_place_of_each_kind_can_be_held(held):
    """The last place of the voucher, of the customer, of the code and of both, and the subscription."""
    assert decide(counts=replace(COUNTS, **held)) is Refusal.FULLY_RESERVED


def test_held_places_without_a_limit_refuse_no_request():
    """With a code without a limit, and without a code."""
    restrictions = replace(OPEN.restrictions, maximum_redemptions=None, maximum_redemptions_per_customer=None)
    counts = replace(COUNTS, held=9, held_by_customer=9, held_by_code=9, held_by_customer_and_code=9)
    for code in (None, CodeTerms()):
        assert decide(candidate=replace(OPEN, restrictions=restrictions, code=code), counts=counts) is None


def test_an_unknown_voucher_is_not_found():
    """The reason comes before every rule about vouchers."""
    assert decide(candidate=None) is Refusal.VOUCHER_NOT_FOUND


@pytest.mark.parametrize("reason", ORDER)
def test_each_rule_refuses_by_itself(reason):
    """No other rule is broken."""
    assert decide(**broken(reason)) is reason


@pytest.mark.parametrize("position", range(len(ORDER)))
def test_the_first_reason_that_applies_is_the_answer(position):
    """Rule n and every later one are broken."""
    assert decide(**broken(*ORDER[position:])) is ORDER[position]


def test_the_rules_stand_in_the_order_of_the_reasons():
    """The order of the enum is the precedence. Its first three reasons need no rule."""
    assert [reason for reason, _ in RULES] == list(Refusal)[3:] == ORDER


@pytest.mark.parametrize("reason", [RetiredReason.EXPIRED, RetiredReason.MAX_REDEMPTIONS_REACHED])
def test_a_voucher_that_a_sweep_retired_is_judged_by_its_limits(reason):
    """The window and the count decide."""
    assert decide(candidate=replace(OPEN, retired_reason=reason)) is None


@pytest.mark.parametrize("reason", [CodeRetiredReason.EXPIRED, CodeRetiredReason.MAX_REDEMPTIONS_REACHED])
def test_a_code_that_a_sweep_retired_is_judged_by_its_limits(reason):
    """As a voucher is."""
    assert decide(candidate=replace(OPEN, code=replace(CODE, retired_reason=reason))) is None


@pytest.mark.parametrize(
    "reason", [each for each in CodeRetiredReason if each is CodeRetiredReason.MANUAL_ACTION or "voucher" in each]
)
def test_a_code_that_was_retired_by_hand_or_taken_over_stays_retired(reason):
    """Also if its voucher was never retired, or is available again."""
    assert decide(candidate=replace(OPEN, code=replace(CODE, retired_reason=reason))) is Refusal.CODE_RETIRED


def test_a_request_that_names_the_voucher_is_subject_to_no_code():
    """A code without limits and without a customer restricts no request either."""
    bought = replace(PURCHASE, customer="cus_2")
    for code in (None, CodeTerms()):
        assert decide(candidate=replace(OPEN, code=code), purchase=bought) is None


def test_the_end_of_a_code_is_exclusive():
    """A microsecond before the end, and at the end."""
    for early, reason in ((timedelta(microseconds=1), None), (timedelta(), Refusal.CODE_EXPIRED)):
        assert decide(effective_at=CODE_ENDS_AT - early) is reason


def test_a_voucher_retired_for_an_unknown_reason_stays_retired():
    """The reason counts as retired by hand."""
    assert decide(candidate=replace(OPEN, retired_reason=RetiredReason.UNKNOWN)) is Refusal.VOUCHER_RETIRED


@pytest.mark.parametrize("at", [NOW - timedelta(days=1), NOW + timedelta(days=1) - timedelta(microseconds=1)])
def test_the_window_is_half_open(at):
    """The start is included, the end is not."""
    assert decide(candidate=replace(OPEN, code=None), effective_at=at) is None


@pytest.mark.parametrize(
    ("purchase", "reason"),
    [
        (replace(PURCHASE, products=frozenset()), Refusal.PRODUCT_NOT_ELIGIBLE),
        (replace(PURCHASE, currency=None), Refusal.CURRENCY_MISMATCH),
        (replace(PURCHASE, subtotal_minor=None), Refusal.MINIMUM_SUBTOTAL_NOT_MET),
        (replace(PURCHASE, currency="EUR"), Refusal.MINIMUM_SUBTOTAL_NOT_MET),
    ],
)
def test_a_restriction_refuses_a_request_without_the_field_that_it_needs(purchase, reason):
    """The field is missing, or the currency is not that of the minimum."""
    assert decide(purchase=purchase) is reason


@pytest.mark.parametrize(
    ("products", "excluded", "bought", "is_eligible"),
    [
        (None, {"a"}, {"a"}, False),
        (None, {"a", "b"}, {"a", "b"}, False),
        (None, {"a"}, {"a", "b"}, True),
        (None, {"a"}, {"b"}, True),
        # Whoever names no products may buy any.
        (None, {"a"}, set(), True),
        ({"b"}, {"a"}, {"a", "b"}, True),
        ({"b"}, {"a"}, {"a", "c"}, False),
        ({"b"}, {"a"}, set(), False),
    ],
)
def test_a_purchase_of_excluded_products_only_is_not_eligible(products, excluded, bought, is_eligible):
    """A voucher may name products beside those that it excludes."""
    restrictions = replace(
        OPEN.restrictions,
        products=None if products is None else frozenset(products),
        excluded_products=frozenset(excluded),
    )
    decision = decide(
        candidate=replace(OPEN, restrictions=restrictions), purchase=replace(PURCHASE, products=frozenset(bought))
    )
    assert decision is (None if is_eligible else Refusal.PRODUCT_NOT_ELIGIBLE)


def test_a_percentage_needs_no_currency():
    """A percentage applies to an amount in any currency."""
    candidate = replace(
        OPEN,
        price_discount=PercentageDiscount(millionths=100_000),
        restrictions=replace(OPEN.restrictions, minimum_subtotal=None),
    )
    assert decide(candidate=candidate, purchase=replace(PURCHASE, currency=None)) is None


def test_without_restrictions_everything_is_eligible():
    """A percentage voucher without an end and without limits."""
    candidate = Candidate(
        price_discount=PercentageDiscount(millionths=1),
        restrictions=Restrictions(),
        retired_reason=None,
    )
    purchase = Purchase(products=frozenset(), currency=None, subtotal_minor=None)
    assert decide(candidate=candidate, purchase=purchase, counts=replace(COUNTS, taken=10**9)) is None


@pytest.mark.parametrize(
    ("requested_at", "expected"),
    [
        (None, NOW),
        (NOW - GRACE, NOW - GRACE),
        (NOW - GRACE - timedelta(microseconds=1), NOW),
        (NOW, NOW),
        (NOW + timedelta(microseconds=1), NOW),
    ],
)
def test_the_requested_instant_decides_within_the_grace(requested_at, expected):
    """At most 15 minutes back, and never ahead of the database's clock."""
    assert decisive_instant(decided_at=NOW, requested_at=requested_at, grace=GRACE) == expected


@pytest.mark.parametrize(
    ("currency", "reason"),
    [
        ("USD", None),
        ("EUR", Refusal.CURRENCY_MISMATCH),
        ("JPY", Refusal.CURRENCY_MISMATCH),
        (None, Refusal.CURRENCY_MISMATCH),
    ],
)
def test_a_ramp_needs_the_currency_of_all_its_amounts(currency, reason):
    """The first amount names EUR, too, and the last one does not. Percentages name none."""
    amounts = {"USD": 5, "EUR": 4}, {"USD": 5, "JPY": 9}
    prices = [FixedDiscount(amounts_minor=each) for each in amounts] + [PercentageDiscount(millionths=1)]
    ramp = Ramp(phases=tuple(Phase(price_discount=each, duration=1) for each in prices))
    candidate = Candidate(price_discount=ramp, restrictions=Restrictions(), retired_reason=None)
    assert decide(candidate=candidate, purchase=replace(PURCHASE, currency=currency)) is reason
