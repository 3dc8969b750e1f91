"""Usages of a discount in the format of Dintero: documented parameters and fields, and `usages.list` behind them."""

from typing import Any
from uuid import UUID

import pytest

from tasks.foreign.dintero import DinteroUsages, dintero_usage
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.fields import type_id
from tasks.wire.parsing import parse
from tests.support.requests import apply, create_voucher, record, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# A production account, as in the documents.
ACCOUNT = "P12345678"

# The documented answer, word for word.
DOCUMENTED: list[dict[str, Any]] = [
    {
        "id": "<string>",
        "ref_id": "<string>",
        "discount_id": "<string>",
        "customer_id": "<string>",
        "create_at": "2023-11-07T05:31:56Z",
        "updated_at": "2023-11-07T05:31:56Z",
        "created_by": "<string>",
        "usage_refs": [
            {
                "ref": "fe35e8ed-3fd3-4b04-acdd-6f1d7d7ca7c9",
                "ref_type": "receipt_add",
                "usage": 1,
                "stamp": 4,
                "amount": 12000,
                "created_at": "2023-11-07T05:31:56Z",
                "created_by": "<string>",
            }
        ],
        "statistics": {
            "stamp": 123,
            "used": 28,
            "usage": 28,
            "amount": 280000,
            "debit_balance": 12350,
            "current_stamp": 123,
        },
    }
]
IDENTITY = "018f2f5d-9c96-7a1e-8f5e-3b9d0a2c4e6f"
OTHER = "018f2f5d-9c96-7a1e-8f5e-3b9d0a2c4e70"
PARAMETERS = {"aid": "P12345678", "did": IDENTITY}


def our_usage() -> dict[str, Any]:
    """Return our item with the values of the documented item."""
    (documented,) = DOCUMENTED
    (entry,) = documented["usage_refs"]
    statistics = documented["statistics"]
    return {
        "object": "usage",
        "id": type_id("use", UUID(IDENTITY)),
        "refId": type_id("dis", UUID(IDENTITY)),
        "discountId": type_id("vou", UUID(OTHER)),
        "customerId": documented["customer_id"],
        "createdAt": documented["create_at"],
        "updatedAt": documented["updated_at"],
        "createdBy": documented["created_by"],
        "usageRefs": [
            {
                "ref": entry["ref"],
                "refType": entry["ref_type"],
                "usage": entry["usage"],
                "stamp": entry["stamp"],
                "amount": entry["amount"],
                "createdAt": entry["created_at"],
                "createdBy": entry["created_by"],
            }
        ],
        "statistics": {
            "stamp": statistics["stamp"],
            "used": statistics["used"],
            "usage": statistics["usage"],
            "amounts": {"NOK": statistics["amount"]},
            "debitBalance": statistics["debit_balance"],
            "currentStamp": statistics["current_stamp"],
        },
    }


def test_a_usage_is_said_in_exactly_their_fields():
    """Our item becomes the documented item, except for the ids, which are plain UUIDs."""
    ids = {"id": IDENTITY, "ref_id": IDENTITY, "discount_id": OTHER}
    answer = dintero_usage(our_usage())
    assert answer == DOCUMENTED[0] | ids
    assert list(answer) == list(DOCUMENTED[0])


@pytest.mark.parametrize(
    ("amounts", "shown"),
    [
        ({}, 0),
        ({"JPY": 100}, 100),
        ({"JPY": 100, "XXX": 5}, 105),
        ({"USD": 100, "JPY": 100}, None),
    ],
)
def test_amounts_of_several_currencies_are_not_added(amounts, shown):
    """Dintero's format names no currency, so an amount without one has that of the account."""
    usage = our_usage()
    usage["statistics"]["amounts"] = amounts
    assert dintero_usage(usage)["statistics"]["amount"] == shown


def test_what_was_never_granted_has_no_ref():
    """An example is a customer that has only collected stamps."""
    assert dintero_usage({**our_usage(), "refId": None})["ref_id"] is None


def test_the_parameters_have_their_limits_and_defaults():
    """The limit is 10 by default and 1,000 at most. An account is for production or for tests."""
    assert parse(DinteroUsages, PARAMETERS).limit == 10
    full = parse(DinteroUsages, {**PARAMETERS, "aid": "T00000000", "limit": 1000, "starting_after": OTHER})
    assert (full.aid, full.limit, str(full.did), str(full.starting_after)) == ("T00000000", 1000, IDENTITY, OTHER)
    assert str(parse(DinteroUsages, {**PARAMETERS, "did": type_id("vou", UUID(IDENTITY))}).did) == IDENTITY


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        *(({"aid": bad}, ["aid"]) for bad in ("X12345678", "P1234567", "P123456789", "p12345678", "P1234567٣", "", 5)),
        ({"aid": "P12345678\n"}, ["aid"]),
        ({"did": "nonsense"}, ["did"]),
        ({"did": None}, ["did"]),
        *(({"limit": bad}, ["limit"]) for bad in (0, 1001, "10", 1.5, None)),
        ({"starting_after": 5}, ["starting_after"]),
        ({"starting_after": "pt1"}, ["starting_after"]),
        ({"startingAfter": OTHER}, ["startingAfter"]),
        ({"aid": "", "did": "", "limit": 0, "bogus": 1}, ["aid", "did", "limit", "?"]),
    ],
)
def test_bad_parameters_are_refused(changes, fields):
    """The error names each as Dintero does."""
    with pytest.raises(InvalidRequest) as refused:
        parse(DinteroUsages, {**PARAMETERS, **changes})
    assert [error["field"] for error in refused.value.errors] == fields


def listed(voucher: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    """Return the usages of a voucher, which the request names by UUID."""
    did = str(parse(DinteroUsages, {"aid": ACCOUNT, "did": voucher["id"]}).did)
    answer: list[dict[str, Any]] = task_named("dintero.discounts.usages")(
        request={"aid": ACCOUNT, "did": did, **parameters}
    )
    return answer


def test_usages_are_a_bare_list_with_exactly_their_fields():
    """The discount has an invoice and a recorded receipt."""
    voucher = create_voucher(project=ACCOUNT, priceDiscount={"amount": 500, "currency": "USD"})
    redeem(project=ACCOUNT, voucher=voucher["id"], customer="cus_1", subscription="sub_1", currency="USD")
    apply(project=ACCOUNT, invoice="inv_1")
    record(project=ACCOUNT, voucher=voucher["id"], ref="receipt-1", refType="receipt_add", usage=1, amount=30)
    (answer,) = listed(voucher)
    (ours,) = task_named("usages.list")(request={"project": ACCOUNT, "voucher": voucher["id"]})["items"]
    (documented,) = DOCUMENTED
    assert answer == dintero_usage(ours)
    assert set(answer) == set(documented)
    assert [set(each) for each in answer["usage_refs"]] == [set(documented["usage_refs"][0])] * 2
    assert set(answer["statistics"]) == set(documented["statistics"])
    assert [(each["ref"], each["ref_type"], each["usage"], each["amount"]) for each in answer["usage_refs"]] == [
        ("inv_1", "invoice", 1, 500),
        ("receipt-1", "receipt_add", 1, 30),
    ]
    assert answer["statistics"] == {
        "stamp": 0,
        "used": 2,
        "usage": 2,
        "amount": 530,
        "debit_balance": None,
        "current_stamp": 0,
    }
    assert {str(UUID(answer[name])) for name in ("id", "ref_id")} == {answer["id"]}
    assert listed({"id": answer["discount_id"]}) == [answer]


def test_stamps_are_counted_and_a_customer_without_a_discount_has_no_ref():
    """The card has three of five stamps."""
    voucher = create_voucher(project=ACCOUNT, stampCard={"stamps": 5})
    record(project=ACCOUNT, voucher=voucher["id"], stamp=3, subscription="sub_1")
    (answer,) = listed(voucher)
    assert answer["ref_id"] is None
    assert (answer["statistics"]["stamp"], answer["statistics"]["current_stamp"]) == (3, 3)


@pytest.mark.parametrize("position", ["id", "ref_id"])
def test_a_page_starts_after_the_id_of_an_item(position):
    """The item has two ids, and either may be sent."""
    voucher = create_voucher(project=ACCOUNT)
    for number in range(3):
        redeem(project=ACCOUNT, voucher=voucher["id"], customer=f"cus_{number}")
    everything = listed(voucher)
    first = listed(voucher, limit=2)
    assert first == everything[:2]
    assert listed(voucher, starting_after=first[-1][position]) == everything[2:]
    assert listed(voucher, starting_after=everything[-1][position]) == []


def test_a_discount_without_usages_has_none_and_an_unknown_one_is_not_found():
    """No row of one account is visible from another. A retired voucher keeps all usages."""
    voucher = create_voucher(project=ACCOUNT)
    assert listed(voucher) == []
    redeem(project=ACCOUNT, voucher=voucher["id"])
    task_named("vouchers.retire")(request={"project": ACCOUNT, "voucher": voucher["id"]})
    assert len(listed(voucher)) == 1
    with pytest.raises(NotFound):
        listed(voucher, aid="T12345678")


def test_a_position_that_is_no_usage_of_the_discount_is_a_bad_parameter():
    """The error names the parameter as Dintero does."""
    voucher, other = create_voucher(project=ACCOUNT), create_voucher(project=ACCOUNT)
    redeem(project=ACCOUNT, voucher=other["id"])
    for position in (OTHER, listed(other)[0]["id"]):
        with pytest.raises(InvalidRequest) as refused:
            listed(voucher, starting_after=position)
        assert [error["field"] for error in refused.value.errors] == ["starting_after"]
