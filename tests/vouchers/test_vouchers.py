"""Create, retrieve and retire vouchers."""

from typing import Any

import pytest
from typeid import TypeID

from tasks.wire.errors import NotFound
from tests.support.requests import create_voucher, redeem, redemption, voucher_body
from tests.support.tasks import task_named
from tests.vouchers.calls import EVERYTHING

pytestmark = pytest.mark.usefixtures("database")

LARGEST = 999_999_999_999
# The largest and the smallest value of each field.
AT_THE_BOUNDS: list[dict[str, Any]] = [
    {
        "project": "p" * 255,
        "name": "n" * 5_000,
        "code": "C" * 256,
        "priceDiscount": {"amount": LARGEST, "currency": "USD", "currencyOptions": {"EUR": LARGEST}},
        "recurrence": {"type": "repeating", "durationInMonths": 999, "durationInCycles": None, "phases": None},
        "restrictions": {
            "startsAt": "1970-01-01T00:00:00Z",
            "expiresAt": "2999-12-31T23:59:59Z",
            "maximumRedemptions": LARGEST,
            "maximumRedemptionsPerCustomer": LARGEST,
            "products": [f"{index:0255}" for index in range(1000)],
            "excludedProducts": [f"{index:0255}" for index in range(1000, 2000)],
            "firstPurchaseOnly": True,
            "minimumSubtotal": {"amount": LARGEST, "currency": "USD", "on": "redemption"},
        },
        "metadata": {f"{index:040}": "v" * 500 for index in range(50)},
    },
    {
        "project": "p",
        "name": "n",
        "code": "c_-",
        "priceDiscount": {"amount": 1, "currency": "USD", "currencyOptions": {"EUR": 1}},
        "recurrence": {"type": "repeating", "durationInMonths": 1, "durationInCycles": None, "phases": None},
        "restrictions": {
            "startsAt": "2026-01-01T00:00:00.000001Z",
            "expiresAt": "2026-01-01T00:00:00.000002Z",
            "maximumRedemptions": 1,
            "maximumRedemptionsPerCustomer": 1,
            "products": ["p"],
            "excludedProducts": ["x"],
            "firstPurchaseOnly": False,
            "minimumSubtotal": {"amount": 1, "currency": "USD", "on": "redemption"},
        },
        "metadata": {"k": "", "lowest": -(2**63) + 1},
    },
]


def test_a_voucher_is_answered_with_every_field_as_it_was_given():
    """The answer has every field of the contract, with instants in UTC."""
    answer = task_named("vouchers.create")(request=EVERYTHING)
    assert answer["id"].startswith("vou_")
    assert answer["createdAt"].endswith("Z")
    created = {name: answer.pop(name) for name in ("id", "createdAt")}
    restrictions = {**EVERYTHING["restrictions"], "startsAt": "2025-12-31T22:00:00Z"}
    assert answer == {
        **EVERYTHING,
        "object": "voucher",
        "campaign": None,
        "recurrence": {"type": "repeating", "durationInMonths": 3, "durationInCycles": None, "phases": None},
        "carryOver": False,
        "exclusive": False,
        "priority": 500,
        "stampCard": None,
        "maximumDiscount": None,
        "maximumDiscountInAll": None,
        "budget": None,
        "priceDiscountPercentage": None,
        "restrictions": restrictions,
        "redemptions": 0,
        "status": "available",
        "retiredReason": None,
        "retiredAt": None,
        "updatedAt": None,
        "given": {},
        "spent": None,
        "left": None,
    }
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": created["id"]}) == {
        **created,
        **answer,
    }


@pytest.mark.parametrize("body", AT_THE_BOUNDS)
def test_a_voucher_may_go_to_the_bounds(body):
    """The tests of the messages say that values beyond these bounds are refused."""
    answer = task_named("vouchers.create")(request=body)
    assert {name: answer[name] for name in body} == body


def test_what_is_left_out_is_shown_as_open():
    """The voucher has no code, no restrictions and no metadata."""
    answer = create_voucher()
    assert answer["code"] is None
    assert answer["priceDiscount"] is None
    assert answer["recurrence"] == {
        "type": "forever",
        "durationInMonths": None,
        "durationInCycles": None,
        "phases": None,
    }
    assert set(answer["restrictions"].values()) == {None, False}
    assert answer["metadata"] == {}


@pytest.mark.parametrize("percentage", [0.0001, 0.01, 30.12, 33.3333, 15, 100, 0.1, 99.9999])
def test_a_percentage_comes_back_as_it_was_sent(percentage):
    """The percentage is stored as millionths, and shown with at most four decimals."""
    assert create_voucher(priceDiscountPercentage=percentage)["priceDiscountPercentage"] == percentage


def test_field_names_may_be_in_snake_case():
    """The names of nested fields too."""
    answer = task_named("vouchers.create")(
        request={
            "project": "gigs",
            "name": "n",
            "price_discount": {"amount": 5, "currency": "USD", "currency_options": {"EUR": 4}},
            "recurrence": {"type": "repeating", "duration_in_months": 2},
            "restrictions": {"maximum_redemptions": 3},
        }
    )
    assert answer["priceDiscount"] == {"amount": 5, "currency": "USD", "currencyOptions": {"EUR": 4}}
    assert answer["restrictions"]["maximumRedemptions"] == 3


def test_the_same_request_id_answers_the_first_voucher_for_ever():
    """The replay stays the same after the voucher was redeemed and retired."""
    first = task_named("vouchers.create")(
        request={**EVERYTHING, "requestId": "r1", "restrictions": {"maximumRedemptions": 1}}
    )
    redeem(voucher=first["id"], currency="USD")
    again = task_named("vouchers.create")(
        request={**EVERYTHING, "requestId": "r1", "restrictions": {"maximumRedemptions": 1}}
    )
    assert again == first
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": first["id"]})["redemptions"] == 1


def test_the_same_request_id_with_another_body_is_refused_and_the_first_stands():
    """A refusal is an answer, not an error."""
    first = task_named("vouchers.create")(request={**EVERYTHING, "requestId": "r1"})
    assert task_named("vouchers.create")(request={**EVERYTHING, "requestId": "r1", "name": "Another"}) == {
        "object": "voucher",
        "project": "gigs",
        "requestId": "r1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": first["id"]}) == first


@pytest.mark.parametrize("changed", [{}, {"name": "Another"}])
def test_a_request_that_comes_again_has_no_effect_where_its_voucher_has_expired(changed):
    """Neither the replay nor the conflict counts as another voucher that wants the code."""
    body = voucher_body(requestId="r1", code="SPRING", restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    first = task_named("vouchers.create")(request=body)
    task_named("vouchers.create")(request={**body, **changed})
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": first["id"]}) == first


def test_a_creation_without_a_request_id_is_one_voucher_however_often_its_message_comes():
    """A redelivery or a retry has the same task id."""
    body = {
        "project": "gigs",
        "name": "n",
        "code": "ONCE",
        "priceDiscountPercentage": 5,
        "recurrence": {"type": "once"},
    }
    first, again = (
        task_named("vouchers.create").apply(kwargs={"request": body}, task_id="delivered-twice").get() for _ in range(2)
    )
    assert again == first
    other = task_named("vouchers.create").apply(kwargs={"request": {**body, "code": "OTHER"}}, task_id="another").get()
    assert other["id"] != first["id"]


def test_a_request_id_belongs_to_its_project():
    """Another project can use the same id, and cannot retrieve the voucher."""
    first = create_voucher(requestId="r1")
    assert create_voucher(requestId="r1", project="other")["id"] != first["id"]
    with pytest.raises(NotFound):
        task_named("vouchers.retrieve")(request={"project": "other", "voucher": first["id"]})


def test_retiring_by_hand_ends_new_redemptions_and_twice_changes_nothing():
    """The first reason and the first instant stay."""
    voucher = create_voucher()
    reference = {"project": "gigs", "voucher": voucher["id"]}
    retired = task_named("vouchers.retire")(request=reference)
    assert (retired["status"], retired["retiredReason"]) == ("retired", "manualAction")
    assert (
        task_named("vouchers.retire")(request=reference)
        == retired
        == task_named("vouchers.retrieve")(request=reference)
    )
    assert redeem(voucher=voucher["id"])["reason"] == "voucher_retired"


def test_retiring_what_has_expired_or_is_full_keeps_that_reason():
    """The answer is the same as if the sweep had come first."""
    expired = create_voucher(restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    retired = task_named("vouchers.retire")(request={"project": "gigs", "voucher": expired["id"]})
    assert (retired["retiredReason"], retired["retiredAt"]) == ("expired", "2026-01-01T00:00:00Z")
    full = create_voucher(restrictions={"maximumRedemptions": 1})
    redeem(voucher=full["id"])
    assert (
        task_named("vouchers.retire")(request={"project": "gigs", "voucher": full["id"]})["retiredReason"]
        == "maxRedemptionsReached"
    )


def test_a_plain_uuid_is_accepted_where_an_id_of_ours_is_asked_for():
    """A TypeID encodes such a UUID."""
    voucher = create_voucher()
    plain = str(TypeID.from_string(voucher["id"]).uuid)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": plain}) == voucher
    assert redeem(voucher=plain)["outcome"] == "accepted"


def test_what_does_not_exist_is_not_found():
    """The task fails with NotFound."""
    unknown = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40"}
    with pytest.raises(NotFound):
        task_named("vouchers.retrieve")(request=unknown)
    with pytest.raises(NotFound):
        task_named("vouchers.retire")(request=unknown)
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": redemption()["requestId"]})
