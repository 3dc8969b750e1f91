"""Updates that retire vouchers or make them available again."""

import pytest

from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named
from tests.vouchers.calls import FUTURE, PAST, by_hand, expired, full, retrieve, unstamped, update

pytestmark = pytest.mark.usefixtures("database")


def test_lowering_the_limit_to_what_is_redeemed_retires_the_voucher_as_full():
    """The voucher is retired as by the redemption that fills a voucher."""
    voucher = create_voucher()["id"]
    redeem(voucher=voucher)
    answer = update(voucher, restrictions={"maximumRedemptions": 1})
    assert (answer["status"], answer["retiredReason"]) == ("retired", "maxRedemptionsReached")
    assert answer["retiredAt"].endswith("Z")
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"


def test_an_end_in_the_past_retires_the_voucher_as_expired():
    """The next sweep finds nothing to do."""
    voucher = create_voucher(code="SUMMER")["id"]
    answer = update(voucher, restrictions={"expiresAt": PAST})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("retired", "expired", PAST)
    assert task_named("expiry.sweep")(request={})["expired"] == 0
    assert create_voucher(code="SUMMER")["status"] == "available"


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("expires_at", [None, FUTURE])
def test_a_voucher_that_expired_is_available_again_when_its_end_is_moved(expires_at, swept):
    """The voucher is redeemed by its code again, with or without a sweep in between."""
    voucher = create_voucher(code="SUMMER", restrictions={"expiresAt": PAST})["id"]
    if swept:
        task_named("expiry.sweep")(request={})
    answer = update(voucher, restrictions={"expiresAt": expires_at})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("available", None, None)
    assert redeem(code="summer")["voucher"] == voucher


@pytest.mark.parametrize("maximum", [None, 2])
def test_a_voucher_that_was_full_is_available_again_when_its_limit_is_raised(maximum):
    """The voucher is available until it is full again."""
    voucher = full()
    answer = update(voucher, restrictions={"maximumRedemptions": maximum})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("available", None, None)
    assert redeem(voucher=voucher)["redemptionNumber"] == 2
    assert redeem(voucher=voucher)["reason"] == (maximum and "max_redemptions_reached")


@pytest.mark.parametrize("make", [full, expired, by_hand])
@pytest.mark.parametrize(
    "fields", [{"name": "n"}, {"code": "WINTER"}, {"code": None}, {"restrictions": {"products": ["prod_a"]}}]
)
def test_an_update_that_removes_no_cause_leaves_a_voucher_retired(make, fields):
    """The reason and the instant of the retirement stay."""
    voucher = make(code="SUMMER")
    before = retrieve(voucher)
    after = update(voucher, **fields)
    for name in ("status", "retiredReason", "retiredAt"):
        assert after[name] == before[name]


def test_only_the_cause_itself_counts():
    """A new limit does not help an expired voucher, nor a new end a full one. A manual retirement is final."""
    unlimited = {"maximumRedemptions": None, "expiresAt": None}
    assert update(expired(), restrictions={"maximumRedemptions": 9})["retiredReason"] == "expired"
    assert update(full(), restrictions={"expiresAt": FUTURE})["retiredReason"] == "maxRedemptionsReached"
    retired = by_hand()
    before = retrieve(retired)
    assert unstamped(update(retired, restrictions=unlimited)) == unstamped(before)
    assert redeem(voucher=retired)["reason"] == "voucher_retired"


def test_an_end_that_is_still_past_is_the_instant_of_retirement():
    """`retiredAt` of an expired voucher is its `expiresAt`."""
    answer = update(expired(), restrictions={"expiresAt": "2026-02-01T00:00:00Z"})
    assert (answer["retiredReason"], answer["retiredAt"]) == ("expired", "2026-02-01T00:00:00Z")


def test_what_is_expired_and_full_stays_retired_until_both_are_gone():
    """If a cause is removed, the other cause becomes the reason."""
    voucher = full()
    assert update(voucher, restrictions={"expiresAt": PAST})["retiredReason"] == "maxRedemptionsReached"
    assert update(voucher, restrictions={"maximumRedemptions": 2})["retiredReason"] == "expired"
    assert update(voucher, restrictions={"maximumRedemptions": 1})["retiredReason"] == "expired"
    assert update(voucher, restrictions={"expiresAt": None})["retiredReason"] == "maxRedemptionsReached"
    assert update(voucher, restrictions={"maximumRedemptions": 2})["status"] == "available"
