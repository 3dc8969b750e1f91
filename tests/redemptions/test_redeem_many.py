"""Redeem many vouchers in a request: order, duplicates, bad items, and limits within a batch."""

import pytest

from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_bulk_request_is_decided_in_its_order_and_duplicates_in_it_count_once():
    """Two requests get the two places. A copy gets the first answer, and another body is a conflict."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second, third = (redemption(voucher=voucher["id"]) for _ in range(3))
    other_body = {**first, "customer": "cus_other"}
    items = task_named("redemptions.redeem_many")(request={"requests": [first, first, second, other_body, third]})[
        "items"
    ]
    assert [item["redemptionNumber"] for item in items] == [1, 1, 2, None, None]
    assert [item["reason"] for item in items] == [None, None, None, "idempotency_conflict", "max_redemptions_reached"]
    assert items[0] == items[1]


def test_a_bad_item_alone_is_invalid_and_the_others_go_on():
    """The answers have the order of the items."""
    voucher = create_voucher()
    good = redemption(voucher=voucher["id"])
    bad = redemption(voucher=voucher["id"], code="BOTH", customer="")
    answer = task_named("redemptions.redeem_many")(request={"requests": [bad, good, 7]})
    assert answer["object"] == "list"
    assert [item["outcome"] for item in answer["items"]] == ["invalid", "accepted", "invalid"]
    assert [error["field"] for error in answer["items"][0]["errors"]] == ["code", "customer"]
    assert answer["items"][2]["errors"] == [{"field": "request", "message": "must be a JSON object"}]


def test_a_bulk_request_of_several_projects_keeps_them_apart():
    """Two projects use the same request id and code, and each gets a redemption of its own voucher."""
    create_voucher(code="SUMMER")
    create_voucher(code="SUMMER", project="other")
    request = redemption(code="SUMMER")
    items = task_named("redemptions.redeem_many")(request={"requests": [request, {**request, "project": "other"}]})[
        "items"
    ]
    assert [item["redemptionNumber"] for item in items] == [1, 1]
    assert items[0]["voucher"] != items[1]["voucher"]


def test_limits_of_a_customer_and_of_a_subscription_hold_inside_one_batch():
    """Two redemptions of a customer, twenty discounts on a subscription, and each voucher once on a subscription."""
    limited = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    many = [create_voucher()["id"] for _ in range(21)]
    requests = [redemption(voucher=limited["id"], customer="cus_a") for _ in range(3)]
    requests += [redemption(voucher=each, subscription="sub_full") for each in [many[0], *many]]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    reasons = [item["reason"] for item in items]
    assert reasons[:3] == [None, None, "customer_limit_reached"]
    assert reasons[3:5] == [None, "already_applied"]
    assert reasons[5:] == [None] * 19 + ["discount_limit_reached"]


def test_each_customer_of_a_batch_has_a_count_of_its_own():
    """The redemptions of other customers do not count."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    for customer in ("cus_two", "cus_one", "cus_two"):
        redeem(voucher=voucher["id"], customer=customer)
    customers = ["cus_none", "cus_one", "cus_two", "cus_one"]
    requests = [redemption(voucher=voucher["id"], customer=customer) for customer in customers]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [item["reason"] for item in items] == [None, None, "customer_limit_reached", "customer_limit_reached"]
