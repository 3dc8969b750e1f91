"""Replace a customer's own holds: they never stand in the way of another request of the customer."""

from collections import Counter

import pytest

from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome
from tests.support.holds import confirm, release, reserve, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("try_again", [reserve, redeem])
def test_a_customers_own_hold_does_not_stand_in_the_customers_way(try_again):
    """The hold has the last place of each limit and the subscription. The second request replaces it."""
    limits = {"maximumRedemptions": 1, "maximumRedemptionsPerCustomer": 1}
    voucher = create_voucher(restrictions=limits)
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    who = {"code": "ONE", "customer": "cus_1", "subscription": "sub_1"}
    reserve(**who)
    assert outcome(try_again(**who)) == ACCEPTED
    assert stored()[0] == "replaced"
    assert voucher_held() == (try_again is reserve)


@pytest.mark.parametrize("try_again", [reserve, redeem])
def test_a_customers_own_hold_is_replaced_for_another_order(try_again):
    """Each one-off purchase is an order of its own."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    first = reserve(voucher=voucher["id"], customer="cus_1")
    assert outcome(try_again(voucher=voucher["id"], customer="cus_1")) == ACCEPTED
    assert stored()[0] == "replaced"
    expected = ACCEPTED if try_again is reserve else ("refused", "customer_limit_reached")
    assert outcome(confirm(first)) == expected


def test_the_fewest_holds_are_replaced():
    """No hold if there is room for all of them, otherwise the oldest hold that makes room."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 4, "maximumRedemptionsPerCustomer": 4})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    for named in ({"voucher": voucher["id"]}, {"code": "ONE"}, {"voucher": voucher["id"]}):
        assert outcome(reserve(customer="cus_1", **named)) == ACCEPTED
    assert stored() == ["open"] * 3
    assert outcome(reserve(customer="cus_1", code="ONE")) == ACCEPTED
    assert stored() == ["open", "replaced", "open", "open"]
    assert outcome(reserve(customer="cus_1", voucher=voucher["id"])) == ACCEPTED
    assert outcome(reserve(customer="cus_1", voucher=voucher["id"])) == ACCEPTED
    assert stored() == ["replaced", "replaced", "open", "open", "open", "open"]
    assert outcome(reserve(customer="cus_2", voucher=voucher["id"])) == FULLY_RESERVED


def test_a_refused_request_replaces_no_hold():
    """The customer can still confirm the hold."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    who = {"voucher": voucher["id"], "customer": "cus_1", "subscription": "sub_1"}
    hold = reserve(**who, products=["prod_a"])
    assert redeem(**who)["reason"] == "product_not_eligible"
    assert outcome(confirm(hold)) == ACCEPTED


def test_a_replaced_hold_is_decided_as_a_new_request():
    """The confirmation takes the place of the newer hold, which is then refused with the true reason."""
    voucher = create_voucher(**LAST_PLACE)
    who = {"voucher": voucher["id"], "customer": "cus_1", "subscription": "sub_1"}
    first, second = reserve(**who), reserve(**who)
    assert outcome(confirm(first)) == ACCEPTED
    assert stored() == ["confirmed", "replaced"]
    assert confirm(second)["reason"] == "max_redemptions_reached"
    assert release(second)["status"] == "released"


def test_a_customer_holds_no_more_places_than_the_customer_may_redeem():
    """The customer limit counts redemptions and holds together."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    made = [reserve(voucher=voucher["id"], customer="cus_1") for _ in range(3)]
    assert Counter(stored()) == {"open": 2, "replaced": 1}
    assert [outcome(confirm(each)) for each in made[1:]] == [ACCEPTED] * 2
    assert confirm(made[0])["reason"] == "customer_limit_reached"
