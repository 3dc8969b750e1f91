"""The promise of a hold: no later change of the voucher refuses its confirmation."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain.code_terms import CodeRetiredReason
from domain.eligibility import Refusal, judge
from domain.hold import Shortage, honoured, shortage
from domain.terms import Restrictions, RetiredReason
from tests.domain.test_eligibility import BREAKS, COUNTS, NOW, OPEN, PURCHASE, broken

# These were checked when the place was held, and can change with time or by an operator.
HONOURED = {
    Refusal.VOUCHER_RETIRED,
    Refusal.CODE_RETIRED,
    Refusal.VOUCHER_NOT_STARTED,
    Refusal.VOUCHER_EXPIRED,
    Refusal.CUSTOMER_LIMIT_REACHED,
    Refusal.NOT_FIRST_PURCHASE,
    Refusal.PRODUCT_NOT_ELIGIBLE,
    Refusal.MINIMUM_SUBTOTAL_NOT_MET,
}


@pytest.mark.parametrize("reason", BREAKS)
def test_a_hold_is_honoured_whatever_has_changed(reason):
    """Each rule is broken by itself. No change of the voucher or its code can break the rules that still refuse."""
    arguments = broken(reason)
    arguments["candidate"] = honoured(arguments["candidate"])
    assert judge(**arguments) is (None if reason in HONOURED else reason)


def test_a_hold_is_honoured_to_the_letter():
    """All changes at once, long after."""
    # Without the end of the code: it never moves, and the redemption counts as of the instant of the hold.
    code = OPEN.code and replace(OPEN.code, expires_at=None, retired_reason=CodeRetiredReason.VOUCHER_MANUALLY_RETIRED)
    gone = replace(OPEN, retired_reason=RetiredReason.UNKNOWN, code=code)
    late = NOW + timedelta(days=1_000)
    assert judge(honoured(gone), purchase=PURCHASE, counts=COUNTS, effective_at=late) is None
    assert judge(gone, purchase=PURCHASE, counts=COUNTS, effective_at=late) is Refusal.VOUCHER_RETIRED


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, (0, 0)),
        # 9 of 10 are taken, 1 of 2 by the customer, 4 of 5 by the code, 1 of 2 by both.
        ({"held": 1}, (1, 0)),
        ({"held": 3, "held_by_customer": 1}, (3, 0)),
        ({"held": 3, "held_by_customer": 3}, (3, 0)),
        ({"held_by_customer": 2}, (2, 0)),
        ({"held": 1, "held_by_code": 3}, (3, 3)),
        ({"held": 1, "held_by_customer_and_code": 1}, (1, 1)),
        ({"held": 1, "held_by_code": 2, "held_by_customer_and_code": 2}, (2, 2)),
    ],
)
def test_the_tightest_limit_decides_how_many_places_are_missing(counts, expected):
    """The number of places in all, and of the code among them."""
    missing = shortage(OPEN, counts=replace(COUNTS, **counts))
    assert missing == Shortage(places=expected[0], by_code=expected[1])


def test_no_place_is_missing_without_a_limit():
    """However many places are held."""
    unlimited = replace(OPEN, restrictions=Restrictions(), code=None)
    assert shortage(unlimited, counts=replace(COUNTS, held=99)) == Shortage(places=0, by_code=0)
