"""Dintero's usages of a discount: the documented fields, from our usage items."""

from typing import Any
from uuid import UUID

import pytest

from tasks.dintero import DinteroUsages, dintero_usage
from tasks.fields import type_id
from tasks.wire import InvalidRequest, parse

# The documented answer, as it is written there.
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
    """This function will return our item that says what the documented one says."""
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
            "amount": statistics["amount"],
            "debitBalance": statistics["debit_balance"],
            "currentStamp": statistics["current_stamp"],
        },
    }


def test_a_usage_is_said_in_exactly_their_fields():
    """Ours turned into theirs is the documented one, but for the ids, which are plain UUIDs."""
    ids = {"id": IDENTITY, "ref_id": IDENTITY, "discount_id": OTHER}
    answer = dintero_usage(our_usage())
    assert answer == DOCUMENTED[0] | ids
    assert list(answer) == list(DOCUMENTED[0])


def test_what_was_never_granted_has_no_ref():
    """A customer that has collected stamps only, say."""
    assert dintero_usage({**our_usage(), "refId": None})["ref_id"] is None


def test_the_parameters_have_their_limits_and_defaults():
    """Ten refs by default, a thousand at most; production and test accounts."""
    assert parse(DinteroUsages, PARAMETERS).limit == 10
    full = parse(DinteroUsages, {**PARAMETERS, "aid": "T00000000", "limit": 1000, "starting_after": OTHER})
    assert (full.aid, full.limit, str(full.did)) == ("T00000000", 1000, IDENTITY)
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
        ({"startingAfter": OTHER}, ["startingAfter"]),
        ({"aid": "", "did": "", "limit": 0, "bogus": 1}, ["aid", "did", "limit", "bogus"]),
    ],
)
def test_bad_parameters_are_refused(changes, fields):
    """Each is named as it is called there."""
    with pytest.raises(InvalidRequest) as refused:
        parse(DinteroUsages, {**PARAMETERS, **changes})
    assert [error["field"] for error in refused.value.errors] == fields
