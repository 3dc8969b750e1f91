"""Endings: a discount that an operator ends, a subscription that ends, and the places of what never took effect."""

from typing import Any

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.endings import end, end_subscription, listed, shown
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import refund, reverse
from tests.support.statements import counted
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


ONCE = {"recurrence": {"type": "once"}}


UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"


def grant(voucher: str | None = None, **fields: Any) -> dict[str, Any]:
    """This function will redeem a voucher on sub_1, from 2027 on."""
    named = {} if "code" in fields else {"voucher": voucher or create_voucher()["id"]}
    return redeem(**{"subscription": "sub_1", "startsOn": "2027-01-01", "currency": "USD", **named, **fields})


@pytest.mark.parametrize("fields", [{}, ONCE, {"recurrence": {"type": "repeating", "durationInMonths": 3}}])
def test_an_ended_discount_takes_nothing_off_any_more(fields):
    """Whatever period the invoice is of; what was taken off stays, and is answered as at first."""
    redeemed = grant(create_voucher(**fields)["id"])
    later = {"start": "2027-03-01", "end": "2027-04-01"}
    first = apply(invoice="inv_1", period=later)
    answer = end(redeemed["discount"])
    assert (answer["status"], answer["endedAt"] is not None) == ("ended", True)
    assert [apply(period=later)["discounts"], apply()["discounts"]] == [[], []]
    assert apply(invoice="inv_1", period=later) == first


def test_a_discount_is_shown_as_it_was_granted():
    """With its own copy of the terms, and how far it has come."""
    voucher = create_voucher(
        priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}},
        recurrence={"type": "repeating", "durationInMonths": 3},
        maximumDiscount={"amount": 2500, "currency": "USD", "currencyOptions": {"EUR": 2200}},
        restrictions={"products": ["prod_a"]},
    )
    redeemed = grant(voucher["id"], products=["prod_a"])
    apply(lines=[{"id": "base", "amount": 8000, "product": "prod_a"}])
    (item,) = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    assert item == {
        "object": "discount",
        "id": redeemed["discount"],
        "project": "gigs",
        "createdAt": redeemed["decidedAt"],
        "voucher": voucher["id"],
        "customer": redeemed["customer"],
        "subscription": "sub_1",
        "priceDiscount": voucher["priceDiscount"],
        "priceDiscountPercentage": None,
        "recurrence": voucher["recurrence"],
        "carryOver": False,
        "maximumDiscount": voucher["maximumDiscount"],
        "products": ["prod_a"],
        "startsOn": "2027-01-01",
        "firstPeriodStart": "2027-02-01",
        "endsOn": "2027-05-01",
        "cycles": 1,
        "status": "running",
        "endedAt": None,
    }


def test_ending_twice_changes_nothing():
    """With a request id, without one, and with another."""
    redeemed = grant()
    first = end(redeemed["discount"], requestId="r1")
    assert [end(redeemed["discount"], **each) for each in ({}, {"requestId": "r1"}, {"requestId": "r2"})] == [first] * 3
    other = grant(subscription="sub_2")
    assert end(other["discount"], requestId="r1")["reason"] == "idempotency_conflict"
    assert listed(subscription="sub_2", status=["running"]) == [other["discount"]]


def test_an_ended_discount_takes_no_place_on_its_subscription():
    """The same voucher can be redeemed there again."""
    redeemed = grant()
    assert grant(redeemed["voucher"])["reason"] == "already_applied"
    end(redeemed["discount"])
    assert grant(redeemed["voucher"])["outcome"] == "accepted"


@pytest.mark.parametrize("reason", ["voided", "payment_failed"])
@pytest.mark.parametrize("fields", [{}, ONCE, {"recurrence": {"type": "repeating", "durationInCycles": 1}}])
def test_a_later_reversal_never_undoes_an_ending(reason, fields):
    """The cycle is given back, and the discount stays ended."""
    redeemed = grant(create_voucher(**fields)["id"])
    apply(invoice="inv_1")
    ended = end(redeemed["discount"])
    answer = reverse("inv_1", reason)
    assert [(each["status"], each["cycles"]) for each in answer["discounts"]] == [("ended", 0)]
    assert apply()["discounts"] == []
    assert end(redeemed["discount"])["endedAt"] == ended["endedAt"]


def test_what_is_no_discount_of_the_project_is_not_found():
    """And nothing is ended."""
    redeemed = grant()
    for body in ({"discount": UNKNOWN}, {"discount": redeemed["discount"], "project": "other"}):
        with pytest.raises(NotFound, match="discount"):
            task_named("discounts.end")(request={"project": "gigs", **body})
    assert listed(subscription="sub_1", status=["running"]) == [redeemed["discount"]]


def test_a_subscription_ends_with_all_its_discounts():
    """Those of others go on. A second time it ends nothing."""
    mine = [grant()["discount"] for _ in range(3)]
    other = grant(subscription="sub_2")["discount"]
    apply(invoice="inv_1")
    answer = end_subscription()
    assert (answer["outcome"], [each["id"] for each in answer["discounts"]]) == ("ended", mine[::-1])
    assert {each["status"] for each in answer["discounts"]} == {"ended"}
    assert answer["placesReturned"] == 0
    assert apply()["discounts"] == []
    assert (end_subscription()["discounts"], end_subscription("sub_unknown")["discounts"]) == ([], [])
    assert listed(subscription="sub_2", status=["running"]) == [other]


def test_ending_a_subscription_again_under_its_request_id_has_no_second_effect():
    """What was redeemed since goes on, and another body is a conflict."""
    grant()
    first = end_subscription(requestId="r1")
    again = grant()
    assert end_subscription(requestId="r1") == first
    assert end_subscription("sub_2", requestId="r1")["reason"] == "idempotency_conflict"
    assert listed(subscription="sub_1", status=["running"]) == [again["discount"]]


def test_a_redemption_that_never_took_effect_gives_its_place_back_once():
    """The voucher was full: it is available again, for one more; the numbers go on without a gap."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})["id"]
    grant(voucher)
    grant(voucher, subscription="sub_2")
    assert shown(voucher)["retiredReason"] == "maxRedemptionsReached"
    assert [end_subscription()["placesReturned"] for _ in range(3)] == [1, 0, 0]
    assert (shown(voucher)["status"], shown(voucher)["redemptions"]) == ("available", 1)
    assert redeem(voucher=voucher)["redemptionNumber"] == 3
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"
    assert (shown(voucher)["redemptions"], shown(voucher)["retiredReason"]) == (2, "maxRedemptionsReached")


def test_one_that_took_effect_gives_none_back():
    """Not one that was refunded either."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})["id"]
    grant(voucher)
    apply(invoice="inv_1")
    refund("inv_1", "r1", base=8000)
    assert end_subscription()["placesReturned"] == 0
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"


def test_one_whose_only_invoice_was_voided_never_took_effect():
    """Whether it was ended before or is ended now."""
    first = grant(voucher=create_voucher()["id"])
    second = grant()
    apply(invoice="inv_1")
    end(first["discount"])
    assert end_subscription()["placesReturned"] == 0
    reverse("inv_1")
    answer = end_subscription()
    assert (answer["placesReturned"], answer["discounts"]) == (2, [])
    assert end_subscription()["placesReturned"] == 0
    assert [shown(each["voucher"])["redemptions"] for each in (first, second)] == [0, 0]


def test_a_code_and_a_customer_have_their_place_back_too():
    """A code that was full is available again."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    (code,) = add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    grant(code="VIP", customer="cus_1")
    assert redeem(code="VIP")["reason"] == "code_max_redemptions_reached"
    end_subscription()
    (item,) = task_named("codes.list")(request={"project": "gigs", "voucher": voucher["id"]})["items"]
    assert (item["id"], item["status"], item["redemptions"]) == (code["id"], "available", 0)
    assert redeem(code="VIP", customer="cus_1")["redemptionNumber"] == 2
    assert redeem(voucher=voucher["id"], customer="cus_1")["reason"] == "customer_limit_reached"


def test_a_code_whose_text_was_taken_over_stays_retired():
    """The text names whoever has it."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "VIP", "maximumRedemptions": 1})
    grant(code="VIP")
    taker = create_voucher(code="VIP")
    end_subscription()
    assert redeem(code="vip")["voucher"] == taker["id"]


def test_of_two_codes_with_one_text_that_were_full_the_newer_comes_back():
    """Both redeemed on the subscription that ends."""
    for _ in range(2):
        add_codes(create_voucher(), {"code": "VIP", "maximumRedemptions": 1})
        redeemed = grant(code="VIP")
    assert end_subscription()["placesReturned"] == 2
    assert redeem(code="vip")["voucher"] == redeemed["voucher"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE vouchers SET retired_reason = 'manualAction'", "manualAction"),
        ("UPDATE vouchers SET expires_at = '2026-01-01', updated_at = now()", "expired"),
    ],
)
def test_a_place_that_comes_back_makes_nothing_available_that_is_over(change, reason):
    """Retired by hand, or expired meanwhile."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})["id"]
    grant(voucher)
    with transaction() as session:
        session.execute(text(change))
    assert end_subscription()["placesReturned"] == 1
    assert shown(voucher)["retiredReason"] == reason


def test_a_limit_can_be_lowered_to_the_places_that_are_taken():
    """Not below."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 3})["id"]
    for subscription in ("sub_1", "sub_2", "sub_3"):
        grant(voucher, subscription=subscription)
    end_subscription()
    body = {"project": "gigs", "voucher": voucher, "restrictions": {"maximumRedemptions": 2}}
    assert task_named("vouchers.update")(request=body)["retiredReason"] == "maxRedemptionsReached"
    with pytest.raises(InvalidRequest):
        task_named("vouchers.update")(request={**body, "restrictions": {"maximumRedemptions": 1}})


def test_discounts_are_listed_newest_first_by_whom_they_belong_to():
    """A subscription's, a customer's, a voucher's, and narrowed by more than one of them."""
    one, two = (create_voucher()["id"] for _ in range(2))
    a = grant(one, customer="cus_1")["discount"]
    b = grant(two, customer="cus_1", subscription="sub_2")["discount"]
    c = grant(one, customer="cus_2", subscription="sub_2")["discount"]
    assert listed(customer="cus_1") == [b, a]
    assert listed(voucher=one) == [c, a]
    assert listed(subscription="sub_2") == [c, b]
    assert listed(subscription="sub_2", customer="cus_1") == listed(voucher=two, customer="cus_1") == [b]
    assert listed(subscription="sub_1", voucher=two) == []
    assert task_named("discounts.list")(request={"project": "other", "customer": "cus_1"})["items"] == []


@pytest.mark.parametrize("owner", ["subscription", "customer", "voucher"])
def test_pages_follow_each_other_in_both_directions(owner):
    """By the status asked for, whichever discounts end meanwhile."""
    voucher = create_voucher()["id"]
    ids: list[str] = []
    for _ in range(7):
        ids.insert(0, grant(voucher, customer="cus_1")["discount"])
        end(ids[0])
    ids.insert(0, grant(voucher, customer="cus_1")["discount"])
    whose = {owner: {"subscription": "sub_1", "customer": "cus_1", "voucher": voucher}[owner]}
    assert listed(**whose) == ids
    assert listed(**whose, status=["ended"]) == ids[1:]
    assert listed(**whose, status=["running", "completed"]) == ids[:1]
    page = task_named("discounts.list")(request={"project": "gigs", **whose, "limit": 3})
    pages = [page]
    while pages[-1]["moreItemsAfter"]:
        after = {"after": pages[-1]["moreItemsAfter"]}
        pages.append(task_named("discounts.list")(request={"project": "gigs", **whose, "limit": 3, **after}))
    assert [each["id"] for page in pages for each in page["items"]] == ids
    assert listed(**whose, limit=3, before=ids[6]) == ids[3:6]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"voucher"}),
        ({"voucher": "vou_1"}, {"voucher"}),
        ({"customer": "cus_1", "status": ["over"]}, {"status.0"}),
        ({"customer": "cus_1", "after": UNKNOWN, "before": UNKNOWN}, {"before"}),
        ({"customer": "", "limit": 201, "code": "X"}, {"customer", "limit", "code"}),
    ],
)
def test_every_bad_field_of_a_list_is_named(fields, bad):
    """At least one owner is needed."""
    with pytest.raises(InvalidRequest) as error:
        task_named("discounts.list")(request={"project": "gigs", **fields})
    assert {each["field"] for each in error.value.errors} == bad


def test_endings_do_nothing_on_an_empty_database():
    """A list is empty, an ending ends nothing."""
    assert task_named("discounts.list")(request={"project": "gigs", "customer": "cus_1"})["items"] == []
    assert (end_subscription()["discounts"], end_subscription()["placesReturned"]) == ([], 0)


def test_ending_a_subscription_with_20_discounts_takes_as_many_statements_as_with_one():
    """Each of another voucher, and by a code."""
    for subscription, count in (("sub_one", 1), ("sub_many", 20)):
        for index in range(count):
            code = create_voucher(code=f"{subscription}-{index}")["code"]
            task_named("redemptions.redeem")(request=redemption(code=code, subscription=subscription))
    with counted() as one:
        assert end_subscription("sub_one")["placesReturned"] == 1
    with counted() as many:
        assert end_subscription("sub_many")["placesReturned"] == 20
    assert one == many
    assert len(one) < 18
