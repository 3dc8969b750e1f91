"""What a project and its twin do about places: redeem, hold, confirm and guess."""

from tests.projects.scenarios.acts import Acts, of_inv_1, of_request, of_voucher, window_that_is_over
from tests.support.holds import lapse, reserve
from tests.support.requests import add_codes, create_voucher, invoice, redeem, redemption
from tests.support.reversals import ONCE


def redeem_the_last_place() -> Acts:
    """Redeem by id and by code. A refusal names the customer's discount on another subscription."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    customer = {"customer": "cus_1"}
    wanted = [
        {"code": "VIP", "subscription": "sub_1"},
        {"code": "VIP", "subscription": "sub_2"},
        {"voucher": voucher["id"], "subscription": "sub_3"},
    ]
    acts = [("redemptions.redeem", redemption(**customer, **each)) for each in wanted]
    return Acts(both=[*acts, ("vouchers.retrieve", of_voucher(voucher)), ("codes.list", of_voucher(voucher))])


def redeem_without_another_discount() -> Acts:
    """Redeem a full voucher, of which only the twin's customer has a discount on another subscription."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})["id"]
    own = redemption(voucher=voucher, customer="cus_1")
    others = [("redemptions.redeem", redemption(voucher=voucher)) for _ in range(2)]
    refused = redemption(voucher=voucher, customer="cus_1")
    return Acts(of_twin=[("redemptions.redeem", own)], both=[*others, ("redemptions.redeem", refused)])


def redeem_under_known_ids() -> Acts:
    """Send request ids that only the twin has decided."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher, subscription="sub_1"), redemption(voucher=voucher, subscription="sub_2")]
    own = [("redemptions.redeem", requests[0]), ("redemptions.reserve", requests[1])]
    both = [("redemptions.redeem", {**each, "customer": "cus_other"}) for each in requests]
    return Acts(of_twin=own, both=[*both, ("redemptions.retrieve", of_request(requests[0]))])


def redeem_up_to_a_customers_limit() -> Acts:
    """Redeem, refund in full, which returns the customer's place, and redeem twice."""
    voucher = create_voucher(**ONCE, priceDiscountPercentage=100, restrictions={"maximumRedemptionsPerCustomer": 1})
    wanted = {"voucher": voucher["id"], "customer": "cus_1"}
    first = redemption(**wanted, subscription="sub_1", startsOn="2027-01-01")
    lines = [{"id": "base", "amount": 8000}]
    return Acts(
        both=[
            ("redemptions.redeem", first),
            ("redemptions.redeem", redemption(**wanted)),
            ("billing.apply", invoice(invoice="inv_1")),
            ("billing.reverse", {**of_inv_1("refunded"), "requestId": "r1", "lines": lines}),
            ("redemptions.redeem", redemption(**wanted)),
            ("redemptions.redeem", redemption(**wanted)),
        ]
    )


def redeem_beside_a_window_that_is_over() -> Acts:
    """Redeem beside a discount that is over, but still stored as running."""
    voucher = window_that_is_over()
    return Acts(both=[("redemptions.redeem", redemption(voucher=voucher, subscription="sub_1"))])


def redeem_up_to_the_limit_of_a_subscription() -> Acts:
    """Redeem on a subscription that has 19 discounts. The twin's has 20."""
    for _ in range(19):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
    vouchers = [create_voucher()["id"] for _ in range(2)]
    acts = [("redemptions.redeem", redemption(voucher=each, subscription="sub_1")) for each in vouchers]
    return Acts(of_twin=acts[:1], both=acts[1:])


def hold_the_last_places() -> Acts:
    """Hold places of a voucher and of a code, confirm one hold and release another."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    wanted = [redemption(code="VIP", subscription="sub_1"), redemption(voucher=voucher["id"], subscription="sub_2")]
    late = [redemption(code="VIP"), redemption(voucher=voucher["id"])]
    return Acts(
        both=[
            *(("redemptions.reserve", each) for each in (*wanted, *late)),
            ("redemptions.confirm", of_request(wanted[0])),
            ("redemptions.release", of_request(wanted[1])),
            ("redemptions.redeem", late[1]),
            ("vouchers.retrieve", of_voucher(voucher)),
            ("holds.list", {"project": "gigs", "subscription": "sub_2"}),
        ]
    )


def hold_places_of_a_code() -> Acts:
    """Hold places of a code with two places. One of its two holds has lapsed."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 2})
    reserve(code="VIP", subscription="sub_1")
    lapse()
    reserve(code="VIP", subscription="sub_2")
    return Acts(both=[("redemptions.reserve", redemption(code="VIP")) for _ in range(2)])


def hold_a_place_beside_a_lapsed_hold() -> Acts:
    """Hold the last place, for which no sweep has closed a lapsed hold yet."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    reserve(voucher=voucher["id"], subscription="sub_1")
    lapse()
    return Acts(both=[("redemptions.reserve", redemption(voucher=voucher["id"])) for _ in range(2)])


def confirm_a_hold_of_both() -> Acts:
    """Confirm a hold whose id both have, then release it."""
    hold = reserve(voucher=create_voucher()["id"])
    named = {"project": "gigs", "hold": hold["id"]}
    return Acts(both=[("redemptions.confirm", named), ("redemptions.release", named)])


def guess_codes() -> Acts:
    """Try as many unknown codes as a customer may, and one that exists."""
    create_voucher(code="SUMMER")
    guesses = [redemption(customer="cus_guesses", code=f"GUESS-{number}") for number in range(20)]
    acts = [("redemptions.redeem", each) for each in guesses]
    return Acts(both=[*acts, ("redemptions.redeem", redemption(customer="cus_guesses", code="SUMMER"))])


SCENARIOS = [
    redeem_the_last_place,
    redeem_without_another_discount,
    redeem_under_known_ids,
    redeem_up_to_a_customers_limit,
    redeem_beside_a_window_that_is_over,
    redeem_up_to_the_limit_of_a_subscription,
    hold_the_last_places,
    hold_places_of_a_code,
    hold_a_place_beside_a_lapsed_hold,
    confirm_a_hold_of_both,
    guess_codes,
]
