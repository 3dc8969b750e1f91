"""Redeem a voucher: the answers, the reasons in their order, and the first answer to a repeated request."""

from itertools import pairwise

import pytest

from domain.eligibility import Refusal
from tests.redemptions.outcomes import ago, retire
from tests.support.requests import create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

ALL_RESTRICTIONS = {
    "maximumRedemptions": 2,
    "maximumRedemptionsPerCustomer": 1,
    "products": ["prod_a"],
    "minimumSubtotal": {"amount": 5000, "currency": "USD"},
    "firstPurchaseOnly": True,
}
ELIGIBLE = {"isFirstPurchase": True, "products": ["prod_a"], "currency": "USD", "subtotal": 5000}


def test_an_accepted_request_is_answered_with_every_field():
    """The fields are those of the contract, and `redemptions.retrieve` returns the same answer."""
    voucher = create_voucher(code="SUMMER")
    answer = redeem(requestId="order-1", code=" summer ", customer="cus_a", subscription="sub_a")
    assert answer == {
        "object": "redemption",
        "id": answer["id"],
        "project": "gigs",
        "requestId": "order-1",
        "outcome": "accepted",
        "reason": None,
        "retryable": False,
        "voucher": voucher["id"],
        "code": "SUMMER",
        "customer": "cus_a",
        "subscription": "sub_a",
        "discount": answer["discount"],
        "redemptionNumber": 1,
        "decidedAt": answer["decidedAt"],
    }
    assert answer["id"].startswith("red_")
    assert answer["discount"].startswith("dis_")
    assert answer["decidedAt"].endswith("Z")
    assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": "order-1"}) == answer


@pytest.mark.parametrize("subtotal", [0, 999_999_999_999])
def test_a_request_may_go_to_the_bounds(subtotal):
    """The tests of messages show that larger values are refused."""
    voucher = create_voucher()
    ids = {name: name[0] * 255 for name in ("requestId", "customer", "subscription")}
    products = [str(index) for index in range(1000)]
    fields = {"currency": "usd", "subtotal": subtotal, "products": products, "startsOn": "2999-12-31"}
    answer = redeem(voucher=voucher["id"], **ids, **fields)
    assert {**answer, **ids, "outcome": "accepted"} == answer


def test_numbers_count_the_accepted_redemptions_without_a_gap():
    """A refused request in between gets no number."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    numbers = [
        redeem(voucher=voucher["id"], products=products)["redemptionNumber"]
        for products in (["prod_a"], ["prod_b"], ["prod_a"], [], ["prod_b", "prod_a"])
    ]
    assert numbers == [1, None, 2, None, 3]
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["redemptions"] == 3


def test_only_a_request_that_says_so_is_a_first_purchase():
    """Nobody looks for earlier purchases of the customer: the caller knows them, also those without a voucher."""
    voucher = create_voucher(restrictions={"firstPurchaseOnly": True})["id"]
    said = [{}, {"isFirstPurchase": False}, {"isFirstPurchase": True}, {"isFirstPurchase": True}]
    answers = [redeem(voucher=voucher, customer="cus_1", **each) for each in said]
    assert [each["reason"] for each in answers] == ["not_first_purchase", "not_first_purchase", None, None]
    assert {each["retryable"] for each in answers} == {False}
    assert redeem(voucher=create_voucher()["id"], isFirstPurchase=False)["outcome"] == "accepted"


def test_a_purchase_of_excluded_products_only_is_refused():
    """A request that names no products is accepted, unless the voucher names products too."""
    excluding = {"excludedProducts": ["prod_x", "prod_y"]}
    anything, named = (
        create_voucher(restrictions=restrictions)["id"]
        for restrictions in (excluding, {**excluding, "products": ["prod_a"]})
    )
    bought = [["prod_x"], ["prod_y", "prod_x"], ["prod_x", "prod_a"], ["prod_b"], [], None]
    refused, accepted = "product_not_eligible", None
    assert [redeem(voucher=anything, products=each)["reason"] for each in bought] == [refused, refused, *[accepted] * 4]
    assert [redeem(voucher=named, products=each)["reason"] for each in bought] == [
        *(refused, refused, accepted, refused, refused, refused),
    ]


def test_an_unknown_voucher_or_code_is_refused_and_the_refusal_is_kept():
    """The answer shows the code that was sent. Creating the voucher later does not change the answer."""
    request = redemption(code="LATER")
    refused = task_named("redemptions.redeem")(request=request)
    assert (refused["outcome"], refused["reason"]) == ("refused", "voucher_not_found")
    assert (refused["voucher"], refused["code"], refused["discount"]) == (None, "LATER", None)
    create_voucher(code="LATER")
    assert task_named("redemptions.redeem")(request=request) == refused
    assert redeem(voucher="vou_01m802aq92e78rshs8mnssdx40")["reason"] == "voucher_not_found"
    assert redeem(code="LATER", project="other")["reason"] == "voucher_not_found"


def test_each_reason_is_answered_in_the_order_of_precedence():
    """Requests break every rule, and then a rule less each time. It takes a voucher per rule, so the test is long."""
    subscription, customer = "sub_full", "cus_greedy"
    reasons = []

    def attempt(voucher: dict, **fields) -> None:
        answer = redeem(voucher=voucher["id"], **{"subscription": subscription, "customer": customer, **fields})
        reasons.append(answer["reason"])

    def voucher_of(stamps: int | None = None, *, exclusive: bool = False, **restrictions) -> dict:
        return create_voucher(
            priceDiscount={"amount": 999, "currency": "USD"},
            restrictions={**ALL_RESTRICTIONS, **restrictions},
            stampCard=stamps and {"stamps": stamps},
            exclusive=exclusive,
        )

    for _ in range(19):
        redeem(voucher=create_voucher()["id"], subscription=subscription)
    full = voucher_of(maximumRedemptions=1)
    redeem(voucher=full["id"], subscription=subscription, customer=customer, **ELIGIBLE)
    roomy_subscription = "sub_roomy"
    limited = voucher_of()
    redeem(voucher=limited["id"], subscription=roomy_subscription, customer=customer, **ELIGIBLE)
    running = voucher_of(maximumRedemptionsPerCustomer=None)
    redeem(voucher=running["id"], subscription=roomy_subscription, customer=customer, **ELIGIBLE)

    not_started = voucher_of(startsAt=ago(-60), expiresAt=ago(-120))
    retired_not_started = voucher_of(startsAt=ago(-60))
    retire(retired_not_started)
    fresh = voucher_of(maximumRedemptions=50)

    attempt(retired_not_started)
    attempt(not_started)
    attempt(voucher_of(expiresAt=ago(60)))
    attempt(full)
    attempt(limited, subscription=roomy_subscription)
    attempt(running, subscription=roomy_subscription)
    attempt(voucher_of(stamps=10))
    attempt(fresh)
    attempt(fresh, isFirstPurchase=True)
    attempt(fresh, isFirstPurchase=True, products=["prod_a"])
    attempt(fresh, isFirstPurchase=True, products=["prod_a"], currency="USD")
    attempt(voucher_of(exclusive=True), **ELIGIBLE)
    attempt(fresh, **ELIGIBLE)
    # The requests name the voucher, so no rule about codes applies.
    assert reasons == [reason.value for reason in list(Refusal)[3:-1] if not reason.startswith("code_")]
    assert redeem(voucher=fresh["id"], customer=customer, **ELIGIBLE)["outcome"] == "accepted"


def test_the_same_request_gets_the_same_answer_for_ever():
    """Accepted and refused requests, also after the voucher was retired."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    accepted, refused = redemption(voucher=voucher["id"]), redemption(voucher=voucher["id"])
    answers = [task_named("redemptions.redeem")(request=each) for each in (accepted, refused)]
    assert [each["outcome"] for each in answers] == ["accepted", "refused"]
    retire(voucher)
    assert [task_named("redemptions.redeem")(request=each) for each in (accepted, refused)] == answers


def test_the_same_request_id_with_another_body_is_refused_and_not_stored():
    """The first redemption stands, and a third request with the first body gets the first answer."""
    voucher = create_voucher()
    request = redemption(voucher=voucher["id"])
    first = task_named("redemptions.redeem")(request=request)
    conflict = task_named("redemptions.redeem")(request={**request, "customer": "cus_other"})
    assert (conflict["outcome"], conflict["reason"]) == ("refused", "idempotency_conflict")
    assert (conflict["id"], conflict["redemptionNumber"], conflict["customer"]) == (None, None, "cus_other")
    assert task_named("redemptions.redeem")(request=request) == first
    assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": request["requestId"]}) == first


def test_a_body_is_the_same_in_either_spelling_and_with_defaults_spelt_out():
    """Fields in snake_case and explicit nulls do not make another body."""
    voucher = create_voucher()
    first = redeem(requestId="r1", voucher=voucher["id"], customer="c", subscription="s", startsOn="2027-01-01")
    again = task_named("redemptions.redeem")(
        request={
            "project": "gigs",
            "request_id": "r1",
            "voucher": voucher["id"],
            "code": None,
            "customer": "c",
            "subscription": "s",
            "products": None,
            "starts_on": "2027-01-01",
        }
    )
    assert again == first


def test_the_redemption_that_fills_a_voucher_retires_it():
    """The retirement is in the same transaction, at the instant of the decision."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    answer = redeem(voucher=voucher["id"])
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (after["status"], after["retiredReason"]) == ("retired", "maxRedemptionsReached")
    assert after["retiredAt"] == answer["decidedAt"]


def test_a_callers_ids_are_compared_as_they_are():
    """Ids that differ in case, in blanks or in the form of an accent are different ids."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    names = ["café", "CAFÉ", " café", "café ", "cafe\u0301"]
    answers = [redeem(voucher=voucher["id"], requestId=name, customer=name, subscription=name) for name in names]
    assert [answer["redemptionNumber"] for answer in answers] == [1, 2, 3, 4, 5]
    for field in ("requestId", "customer", "subscription"):
        assert [answer[field] for answer in answers] == names


def test_ids_sort_in_the_order_in_which_they_were_made():
    """The order of discounts within a batch depends on this."""
    made = [redeem(voucher=create_voucher()["id"])["id"] for _ in range(20)]
    assert all(earlier < later for earlier, later in pairwise(made))
    assert task_named("billing.apply")(request=invoice())["outcome"] == "applied"
