"""Redeem vouchers by their codes, which have limits and reasons to refuse of their own."""

import pytest

from domain.eligibility import Refusal
from tests.codes.calls import LONG_AGO, listed, retire, set_voucher, why
from tests.support.instants import in_minutes
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tampering import tell_changes
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

FULL = "maximum_redemptions = 1, retired_reason = 'maxRedemptionsReached', retired_at = now()"


def test_a_voucher_is_redeemed_by_each_of_its_codes_and_each_is_counted_by_itself():
    """A redemption by the voucher's id shows the primary code, but counts for no code."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "Vip-1"}, {"code": "Vip-2"})
    shown = [redeem(code=code)["code"] for code in ("vip-1", "VIP-2", "vip-1", "summer")]
    assert shown == ["Vip-1", "Vip-2", "Vip-1", "SUMMER"]
    by_id = redeem(voucher=voucher["id"])
    assert (by_id["code"], by_id["redemptionNumber"]) == ("SUMMER", 5)
    assert {code["code"]: code["redemptions"] for code in listed(voucher)} == {"Vip-1": 2, "Vip-2": 1, "SUMMER": 1}


def test_each_reason_for_a_code_is_answered_in_the_order_of_precedence():
    """Each code breaks the rule of a reason and the rules of all later reasons."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 9, "products": ["prod_a"]})
    vip = {"customer": "cus_vip", "products": ["prod_a"]}
    late = {"expiresAt": LONG_AGO, "customer": "cus_vip"}
    retired, *_ = add_codes(
        voucher,
        {"code": "RETIRED", "expiresAt": in_minutes(60), "customer": "cus_vip"},
        {"code": "EXPIRED", **late},
        {"code": "FULL", "maximumRedemptions": 1, "customer": "cus_vip"},
        {"code": "ANOTHERS", "customer": "cus_vip"},
        {"code": "EACH", "maximumRedemptionsPerCustomer": 1},
        {"code": "FREE"},
    )
    retire(retired)
    assert [redeem(code=code, **vip)["outcome"] for code in ("FULL", "EACH")] == ["accepted", "accepted"]
    reasons = [redeem(code=code)["reason"] for code in ("RETIRED", "EXPIRED", "FULL", "ANOTHERS")]
    reasons += [redeem(code="EACH", customer="cus_vip")["reason"], redeem(code="FREE")["reason"]]
    assert reasons == [*(reason.value for reason in Refusal if reason.startswith("code_")), "product_not_eligible"]


@pytest.mark.parametrize(
    ("breaking", "before", "after"),
    [
        ("retired_reason = 'manualAction', retired_at = now()", "voucher_retired", "voucher_retired"),
        ("starts_at = now() + interval '1 day'", "code_retired", "voucher_not_started"),
        ("expires_at = now() - interval '1 day'", "code_retired", "voucher_expired"),
        (FULL, "code_retired", "code_expired"),
    ],
)
def test_a_codes_reasons_stand_among_its_vouchers(breaking, before, after):
    """A code was retired by hand, another one has expired, and their voucher breaks a rule too."""
    voucher = create_voucher()
    retired, _ = add_codes(voucher, {"code": "RETIRED"}, {"code": "EXPIRED", "expiresAt": LONG_AGO})
    retire(retired)
    redeem(voucher=voucher["id"])
    set_voucher(voucher, breaking)
    assert [redeem(code=code)["reason"] for code in ("RETIRED", "EXPIRED")] == [before, after]
    set_voucher(voucher, "starts_at = NULL, expires_at = NULL")
    tell_changes()


def test_the_customers_own_instant_counts_for_a_codes_end():
    """The request waited less than 15 minutes. A sweep in between makes no difference."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP", "expiresAt": in_minutes(-5)})
    assert redeem(code="VIP", requestedAt=in_minutes(-10))["outcome"] == "accepted"
    task_named("expiry.sweep")(request={})
    assert why(code) == ("retired", "expired")
    assert redeem(code="VIP", requestedAt=in_minutes(-10))["outcome"] == "accepted"
    assert redeem(code="VIP", requestedAt=in_minutes(-20))["reason"] == "code_expired"


def test_the_redemption_that_fills_a_code_retires_it_and_its_text_is_free():
    """The code is retired at the instant of the decision. The voucher stays available."""
    voucher, other = create_voucher(), create_voucher()
    (code,) = add_codes(voucher, {"code": "ONCE", "maximumRedemptions": 1})
    requests = [redemption(code="once") for _ in range(3)]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [item["reason"] for item in items] == [None, *["code_max_redemptions_reached"] * 2]
    (full,) = listed(voucher)
    assert (full["retiredReason"], full["retiredAt"]) == ("maxRedemptionsReached", items[0]["decidedAt"])
    assert redeem(voucher=voucher["id"])["outcome"] == "accepted"
    assert why(code) == ("retired", "maxRedemptionsReached")
    add_codes(other, {"code": "ONCE"})
    assert redeem(code="ONCE")["voucher"] == other["id"]


def test_the_same_redemption_again_counts_once():
    """The first answer is replayed even after the code was retired."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "VIP", "maximumRedemptions": 5})
    request = redemption(code="VIP")
    first = task_named("redemptions.redeem")(request=request)
    retire(code)
    assert task_named("redemptions.redeem")(request=request) == first
    assert listed(voucher)[0]["redemptions"] == 1
