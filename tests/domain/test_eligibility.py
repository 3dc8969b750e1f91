"""Eligibility: a decision table in order of precedence, and t, the instant that decides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.eligibility import (
    RULES,
    Candidate,
    Purchase,
    Refusal,
    Standing,
    decisive_instant,
    judge,
)
from domain.terms import FixedDiscount, Money, PercentageDiscount, Restrictions, RetiredReason

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
GRACE = timedelta(minutes=15)
OPEN = Candidate(
    price_discount=FixedDiscount(amounts_minor={"USD": 999, "EUR": 899}),
    restrictions=Restrictions(
        starts_at=NOW - timedelta(days=1),
        expires_at=NOW + timedelta(days=1),
        maximum_redemptions=10,
        maximum_redemptions_per_customer=2,
        products=frozenset({"prod_a"}),
        minimum_subtotal=Money(amount_minor=5000, currency="USD"),
    ),
    retired_reason=None,
    needs_stamp_card=True,
)
PURCHASE = Purchase(products=frozenset({"prod_a", "prod_b"}), currency="USD", subtotal_minor=5000)
STANDING = Standing(
    redemptions=9,
    redemptions_by_customer=1,
    voucher_is_running=False,
    running_discounts=19,
    stamp_card_is_complete=True,
)

# How to break each rule, and only that one.
BREAKS: dict[Refusal, dict[str, Any]] = {
    Refusal.VOUCHER_RETIRED: {"retired_reason": RetiredReason.MANUAL_ACTION},
    Refusal.VOUCHER_NOT_STARTED: {"starts_at": NOW + timedelta(microseconds=1)},
    Refusal.VOUCHER_EXPIRED: {"expires_at": NOW},
    Refusal.MAX_REDEMPTIONS_REACHED: {"redemptions": 10},
    Refusal.CUSTOMER_LIMIT_REACHED: {"redemptions_by_customer": 2},
    Refusal.ALREADY_APPLIED: {"voucher_is_running": True},
    Refusal.STAMP_CARD_INCOMPLETE: {"stamp_card_is_complete": False},
    Refusal.PRODUCT_NOT_ELIGIBLE: {"products": frozenset({"prod_b"})},
    Refusal.CURRENCY_MISMATCH: {"currency": "JPY"},
    Refusal.MINIMUM_SUBTOTAL_NOT_MET: {"subtotal_minor": 4999},
    Refusal.DISCOUNT_LIMIT_REACHED: {"running_discounts": 20},
}
ORDER = list(BREAKS)


def broken(*reasons: Refusal) -> dict:
    """This function will return judge()'s arguments with those rules broken."""
    changes = {name: value for reason in reasons for name, value in BREAKS[reason].items()}

    def changed(value, fields):
        return replace(value, **{name: each for name, each in changes.items() if name in fields})

    restrictions = changed(OPEN.restrictions, {"starts_at", "expires_at"})
    candidate = replace(changed(OPEN, {"retired_reason"}), restrictions=restrictions)
    purchase = changed(PURCHASE, {"products", "currency", "subtotal_minor"})
    standing = changed(
        STANDING,
        {"redemptions", "redemptions_by_customer", "voucher_is_running", "stamp_card_is_complete", "running_discounts"},
    )
    return {"candidate": candidate, "purchase": purchase, "standing": standing, "effective_at": NOW}


def decide(candidate=OPEN, purchase=PURCHASE, standing=STANDING, effective_at=NOW):
    """This function will judge a request that is eligible except for what is said otherwise."""
    return judge(candidate, purchase=purchase, standing=standing, effective_at=effective_at)


def test_an_eligible_request_is_accepted():
    """Every limit is one short of being reached."""
    assert decide() is None


def test_an_unknown_voucher_is_not_found():
    """Before every rule about vouchers."""
    assert decide(candidate=None) is Refusal.VOUCHER_NOT_FOUND


@pytest.mark.parametrize("reason", ORDER)
def test_each_rule_refuses_by_itself(reason):
    """Only this one is broken."""
    assert decide(**broken(reason)) is reason


@pytest.mark.parametrize("position", range(len(ORDER)))
def test_the_first_reason_that_is_true_is_the_answer(position):
    """Rule n and every later one are broken."""
    assert decide(**broken(*ORDER[position:])) is ORDER[position]


def test_the_rules_stand_in_the_order_of_the_reasons():
    """The enumeration is the precedence; the first two need no voucher."""
    assert [reason for reason, _ in RULES] == list(Refusal)[2:] == ORDER


@pytest.mark.parametrize("reason", [RetiredReason.EXPIRED, RetiredReason.MAX_REDEMPTIONS_REACHED])
def test_a_sweep_refuses_nobody(reason):
    """What a sweep retired is judged by its window and its count alone."""
    assert decide(candidate=replace(OPEN, retired_reason=reason)) is None


def test_a_voucher_retired_for_an_unknown_reason_stays_retired():
    """Somebody wanted it so."""
    assert decide(candidate=replace(OPEN, retired_reason=RetiredReason.UNKNOWN)) is Refusal.VOUCHER_RETIRED


@pytest.mark.parametrize("at", [NOW - timedelta(days=1), NOW + timedelta(days=1) - timedelta(microseconds=1)])
def test_the_window_is_half_open(at):
    """The start is in it, the end is not."""
    assert decide(effective_at=at) is None


@pytest.mark.parametrize(
    ("purchase", "reason"),
    [
        (replace(PURCHASE, products=frozenset()), Refusal.PRODUCT_NOT_ELIGIBLE),
        (replace(PURCHASE, currency=None), Refusal.CURRENCY_MISMATCH),
        (replace(PURCHASE, subtotal_minor=None), Refusal.MINIMUM_SUBTOTAL_NOT_MET),
        (replace(PURCHASE, currency="EUR"), Refusal.MINIMUM_SUBTOTAL_NOT_MET),
    ],
)
def test_a_restriction_refuses_where_the_request_lacks_what_it_needs(purchase, reason):
    """Missing, or in another currency than the minimum's."""
    assert decide(purchase=purchase) is reason


def test_a_percentage_needs_no_currency():
    """It is a share of whatever is billed."""
    candidate = replace(
        OPEN,
        price_discount=PercentageDiscount(basis_points=1000),
        restrictions=replace(OPEN.restrictions, minimum_subtotal=None),
    )
    assert decide(candidate=candidate, purchase=replace(PURCHASE, currency=None)) is None


def test_without_restrictions_everything_is_eligible():
    """An open-ended voucher of a percentage."""
    candidate = Candidate(
        price_discount=PercentageDiscount(basis_points=1),
        restrictions=Restrictions(),
        retired_reason=None,
    )
    purchase = Purchase(products=frozenset(), currency=None, subtotal_minor=None)
    assert decide(candidate=candidate, purchase=purchase, standing=replace(STANDING, redemptions=10**9)) is None


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
def test_the_customers_own_instant_decides_within_the_grace(requested_at, expected):
    """At most 15 minutes back, and never ahead of the database's clock."""
    assert decisive_instant(decided_at=NOW, requested_at=requested_at, grace=GRACE) == expected
