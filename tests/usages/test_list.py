"""List the usage of a voucher by customer: the items and the pages."""

from itertools import count

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.requests import apply, create_voucher, record, redeem, redemption
from tests.support.tasks import task_named
from tests.usages.pages import listed

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def test_a_voucher_that_nobody_used_has_no_items():
    """Nor a voucher of which only refused stamps were recorded."""
    voucher = create_voucher(stampCard={"stamps": 3})["id"]
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher})
    assert record(voucher=voucher, stamp=1)["outcome"] == "refused"
    assert listed(voucher) == []
    assert listed(voucher, customer="cus_1") == []


def test_an_item_has_every_field():
    """A discount, an invoice and two records. The test is long because it compares a whole item."""
    voucher = create_voucher(priceDiscount={"amount": 500, "currency": "USD"})["id"]
    granted = redeem(voucher=voucher, customer="cus_1", subscription="sub_1", currency="USD")
    applied = apply(invoice="inv_1")
    first = record(voucher=voucher, ref="receipt-1", refType="receipt", usage=2, amount=30, createdBy="till-7")
    second = record(voucher=voucher, ref="receipt-2", usage=1)
    (item,) = listed(voucher)
    ids = [item["usageRefs"][0]["id"], first["id"], second["id"]]
    assert [item] == [
        {
            "id": granted["discount"].replace("dis_", "use_"),
            "refId": granted["discount"],
            "discountId": voucher,
            "customerId": "cus_1",
            "createdAt": granted["decidedAt"],
            "updatedAt": second["createdAt"],
            "createdBy": None,
            "usageRefs": [
                {
                    "id": ids[0],
                    "ref": "inv_1",
                    "refType": "invoice",
                    "usage": 1,
                    "stamp": 0,
                    "amount": 500,
                    "currency": "USD",
                    "createdAt": applied["appliedAt"],
                    "createdBy": None,
                },
                {
                    "id": ids[1],
                    "ref": "receipt-1",
                    "refType": "receipt",
                    "usage": 2,
                    "stamp": 0,
                    "amount": 30,
                    "currency": None,
                    "createdAt": first["createdAt"],
                    "createdBy": "till-7",
                },
                {
                    "id": ids[2],
                    "ref": "receipt-2",
                    "refType": "manual",
                    "usage": 1,
                    "stamp": 0,
                    "amount": 0,
                    "currency": None,
                    "createdAt": second["createdAt"],
                    "createdBy": None,
                },
            ],
            "moreRefsBefore": None,
            "statistics": {
                "stamp": 0,
                "used": 4,
                "usage": 4,
                "amounts": {"USD": 500, "XXX": 30},
                "debitBalance": None,
                "currentStamp": 0,
            },
        }
    ]


def test_an_item_keeps_the_id_of_the_first_discount_or_record():
    """The id of a stamp card is that of its first stamp, also after the card is complete."""
    voucher = create_voucher(stampCard={"stamps": 3})["id"]
    first = record(voucher=voucher, stamp=2, createdBy="till-7")
    (before,) = listed(voucher)
    completed = record(voucher=voucher, stamp=2)
    (after,) = listed(voucher)
    assert before["id"] == after["id"] == first["id"]
    assert (before["refId"], after["refId"]) == (None, completed["redemption"]["discount"])
    assert before["createdBy"] == after["createdBy"] == "till-7"
    assert before["createdAt"] == after["createdAt"] == first["createdAt"]
    assert (after["statistics"]["stamp"], after["statistics"]["currentStamp"]) == (4, 1)


def test_the_debit_balance_is_the_rest_of_the_customers_balances():
    """The balances of all discounts are added, in the currency of the voucher."""
    price = {"amount": 1000, "currency": "USD", "currencyOptions": {"EUR": 500}}
    voucher = create_voucher(priceDiscount=price, carryOver=True)["id"]
    for number in (1, 2):
        redeem(voucher=voucher, customer="cus_1", subscription=f"sub_{number}", currency="USD")
    record(voucher=voucher, customer="cus_2", usage=1)
    apply(lines=[{"id": "base", "amount": 300}])
    apply(lines=[{"id": "base", "amount": 100}], currency="EUR", subscription="sub_2")
    one, two = listed(voucher)
    assert (one["statistics"]["debitBalance"], one["statistics"]["amounts"]) == (700 + 800, {"USD": 300, "EUR": 100})
    assert two["statistics"]["debitBalance"] == 0


def test_a_customer_can_be_asked_for_alone():
    """The list has an item for the customer, or is empty."""
    voucher, other = create_voucher()["id"], create_voucher()["id"]
    for number in range(3):
        record(voucher=voucher, customer=f"cus_{number}")
    redeem(voucher=voucher, customer="cus_granted")
    record(voucher=other, customer="cus_other")
    for customer in ("cus_1", "cus_granted"):
        assert [item["customerId"] for item in listed(voucher, customer=customer)] == [customer]
    assert listed(voucher, customer="cus_other") == []
    (item,) = listed(voucher, customer="cus_1")
    assert listed(voucher, customer="cus_1", startingAfter=item["id"]) == []


def test_pages_follow_each_other_without_a_gap_or_a_copy():
    """Pages of any size. Customers that are added in between hide and repeat none of the others."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher, customer=f"cus_{number // 2:02}") for number in range(30)]
    task_named("redemptions.redeem_many")(request={"requests": requests})
    for number in range(10, 25):
        record(voucher=voucher, customer=f"cus_{number:02}")
    everybody = [f"cus_{number:02}" for number in range(25)]
    assert [item["customerId"] for item in listed(voucher)] == everybody[:10]
    for limit in (1, 7, 25, 1000):
        assert [item["customerId"] for item in pages(voucher, limit=limit)] == everybody
    found = pages(voucher, limit=4, between=lambda number: record(voucher=voucher, customer=f"cus_{number * 3:02}-new"))
    customers = [item["customerId"] for item in found]
    assert [each for each in customers if not each.endswith("new")] == everybody
    assert len(set(customers)) == len(customers)


def pages(voucher: str, *, limit: int, between=lambda _: None) -> list[dict]:
    """Return the items of all pages. `between` is called between two pages."""
    found: list[dict] = []
    for number in count():
        after = {"startingAfter": found[-1]["id"]} if found else {}
        page = listed(voucher, limit=limit, **after)
        found += page
        if len(page) < limit:
            return found
        between(number)
    raise AssertionError


def test_any_discount_or_record_of_a_customer_is_a_position():
    """Not only the oldest, and also as the UUID that the id encodes."""
    voucher = create_voucher()["id"]
    record(voucher=voucher, customer="cus_1")
    later = record(voucher=voucher, customer="cus_1")
    record(voucher=voucher, customer="cus_2")
    assert [item["customerId"] for item in listed(voucher, startingAfter=later["id"])] == ["cus_2"]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        *(({"limit": value}, "limit") for value in (0, 1001, -1, 1.5, "10", True, None)),
        ({"startingAfter": "use_"}, "startingAfter"),
        ({"startingAfter": UNKNOWN}, "startingAfter"),
        ({"startingAfter": "use_01m802aq92e78rshs8mnssdx40"}, "startingAfter"),
        ({"customer": ""}, "customer"),
        ({"refsBefore": "use_01m802aq92e78rshs8mnssdx40"}, "refsBefore"),
        ({"refsBefore": "use_01m802aq92e78rshs8mnssdx40", "customer": "cus_1"}, "refsBefore"),
        ({"refsBefore": "red_01m802aq92e78rshs8mnssdx40", "customer": "cus_1"}, "refsBefore"),
        ({"voucher": "vou_"}, "voucher"),
        ({"bogus": 1}, "?"),
    ],
)
def test_bad_input_names_the_field(fields, bad):
    """A position that is not in the list is bad input too."""
    with pytest.raises(InvalidRequest) as refused:
        listed(**{"voucher": create_voucher()["id"], **fields})
    assert [error["field"] for error in refused.value.errors] == [bad]


def test_nothing_of_another_project_or_voucher_is_visible():
    """An unknown voucher is not found, and an item of another list is no position."""
    voucher, other = create_voucher()["id"], create_voucher()["id"]
    foreign = record(voucher=other)
    record(project="elsewhere", voucher=create_voucher(project="elsewhere")["id"])
    assert listed(voucher) == []
    with pytest.raises(InvalidRequest):
        listed(voucher, startingAfter=foreign["id"])
    for request in ({"voucher": UNKNOWN}, {"voucher": voucher, "project": "elsewhere"}):
        with pytest.raises(NotFound):
            listed(**request)
