"""`discounts.list`: owners, pages and bad fields."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.discounts.calls import grant
from tests.support.endings import end, listed
from tests.support.requests import apply, create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"


def test_a_discount_is_shown_as_it_was_granted():
    """The answer has the discount's own copy of the terms, and its progress."""
    voucher = create_voucher(
        priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}},
        recurrence={"type": "repeating", "durationInMonths": 3},
        maximumDiscount={"amount": 2500, "currency": "USD", "currencyOptions": {"EUR": 2200}},
        maximumDiscountInAll={"amount": 9000, "currency": "EUR", "currencyOptions": {"USD": 10000}},
        restrictions={"products": ["prod_a"], "excludedProducts": ["prod_b"]},
    )
    redeemed = grant(voucher["id"], products=["prod_a"])
    applied = apply(lines=[{"id": "base", "amount": 8000, "product": "prod_a"}])
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
        "exclusive": False,
        "priority": 500,
        "maximumDiscount": voucher["maximumDiscount"],
        "maximumDiscountInAll": voucher["maximumDiscountInAll"],
        "products": ["prod_a"],
        "excludedProducts": ["prod_b"],
        "minimumSubtotal": None,
        "startsOn": "2027-01-01",
        "firstCycleStart": "2027-02-01",
        "fullPriceFrom": "2027-05-01",
        "cycles": 1,
        "status": "running",
        "updatedAt": applied["appliedAt"],
        "completedAt": None,
        "endedAt": None,
        "imported": None,
        "history": [
            {"kind": "granted", "actor": None, "note": None, "from": None, "to": None, "at": redeemed["decidedAt"]}
        ],
    }


def test_discounts_are_listed_newest_first_by_owner():
    """An owner is a subscription, a customer or a voucher. Several owners narrow the list."""
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
    """The list is filtered by status, and is the same if discounts end meanwhile."""
    voucher = create_voucher()["id"]
    ids: list[str] = []
    for _ in range(7):
        ids.insert(0, grant(voucher, customer="cus_1")["discount"])
        end(ids[0])
    ids.insert(0, grant(voucher, customer="cus_1")["discount"])
    owned_by = {owner: {"subscription": "sub_1", "customer": "cus_1", "voucher": voucher}[owner]}
    assert listed(**owned_by) == ids
    assert listed(**owned_by, status=["ended"]) == ids[1:]
    assert listed(**owned_by, status=["running", "completed"]) == ids[:1]
    page = task_named("discounts.list")(request={"project": "gigs", **owned_by, "limit": 3})
    pages = [page]
    while pages[-1]["moreItemsAfter"]:
        after = {"after": pages[-1]["moreItemsAfter"]}
        pages.append(task_named("discounts.list")(request={"project": "gigs", **owned_by, "limit": 3, **after}))
    assert [each["id"] for page in pages for each in page["items"]] == ids
    assert listed(**owned_by, limit=3, before=ids[6]) == ids[3:6]


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
