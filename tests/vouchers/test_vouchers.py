"""Creating vouchers, looking at them, retiring them by hand."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typeid import TypeID

from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.requests import create_voucher, redeem, redemption, voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

EVERYTHING: dict[str, Any] = {
    "project": "gigs",
    "name": "Monthly Basic",
    "code": "SUMMER",
    "priceDiscount": {"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899, "JPY": 1500}},
    "recurrence": {"type": "repeating", "durationInMonths": 3},
    "restrictions": {
        "startsAt": "2026-01-01T00:00:00+02:00",
        "expiresAt": "2099-04-14T19:38:34Z",
        "maximumRedemptions": 100,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a", "prod_b"],
        "minimumSubtotal": {"amount": 5000, "currency": "USD"},
    },
    "metadata": {"campaign": "spring", "score": 1.5, "huge": 1e300, "rank": 2**63 - 1, "internal": True},
}

LARGEST = 999_999_999_999
# Each field at one end of what the contract allows, and at the other.
AT_THE_BOUNDS: list[dict[str, Any]] = [
    {
        "project": "p" * 255,
        "name": "n" * 255,
        "code": "C" * 256,
        "priceDiscount": {"amount": LARGEST, "currency": "USD", "currencyOptions": {"EUR": LARGEST}},
        "recurrence": {"type": "repeating", "durationInMonths": 999, "durationInCycles": None},
        "restrictions": {
            "startsAt": "1970-01-01T00:00:00Z",
            "expiresAt": "2999-12-31T23:59:59Z",
            "maximumRedemptions": LARGEST,
            "maximumRedemptionsPerCustomer": LARGEST,
            "products": [f"{index:0255}" for index in range(1000)],
            "minimumSubtotal": {"amount": LARGEST, "currency": "USD"},
        },
        "metadata": {f"{index:040}": "v" * 500 for index in range(50)},
    },
    {
        "project": "p",
        "name": "n",
        "code": "c_-",
        "priceDiscount": {"amount": 1, "currency": "USD", "currencyOptions": {"EUR": 1}},
        "recurrence": {"type": "repeating", "durationInMonths": 1, "durationInCycles": None},
        "restrictions": {
            "startsAt": "2026-01-01T00:00:00.000001Z",
            "expiresAt": "2026-01-01T00:00:00.000002Z",
            "maximumRedemptions": 1,
            "maximumRedemptionsPerCustomer": 1,
            "products": ["p"],
            "minimumSubtotal": {"amount": 1, "currency": "USD"},
        },
        "metadata": {"k": "", "lowest": -(2**63) + 1},
    },
]


def in_minutes(minutes: float) -> str:
    """This function will return the instant so many minutes ahead."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def test_a_voucher_is_answered_with_every_field_as_it_was_given():
    """Field by field as in the contract; instants in UTC."""
    answer = task_named("vouchers.create")(request=EVERYTHING)
    assert answer["id"].startswith("vou_")
    assert answer["createdAt"].endswith("Z")
    created = {name: answer.pop(name) for name in ("id", "createdAt")}
    restrictions = {**EVERYTHING["restrictions"], "startsAt": "2025-12-31T22:00:00Z"}
    assert answer == {
        **EVERYTHING,
        "object": "voucher",
        "recurrence": {"type": "repeating", "durationInMonths": 3, "durationInCycles": None},
        "carryOver": False,
        "stampCard": None,
        "maximumDiscount": None,
        "budget": None,
        "priceDiscountPercentage": None,
        "restrictions": restrictions,
        "redemptions": 0,
        "status": "available",
        "retiredReason": None,
        "retiredAt": None,
    }
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": created["id"]}) == {
        **created,
        **answer,
    }


@pytest.mark.parametrize("body", AT_THE_BOUNDS)
def test_a_voucher_may_go_to_the_bounds(body):
    """One further is refused, which the tests of messages say."""
    answer = task_named("vouchers.create")(request=body)
    assert {name: answer[name] for name in body} == body


def test_what_is_left_out_is_shown_as_open():
    """A voucher without code, restrictions or metadata."""
    answer = create_voucher()
    assert answer["code"] is None
    assert answer["priceDiscount"] is None
    assert answer["recurrence"] == {"type": "forever", "durationInMonths": None, "durationInCycles": None}
    assert set(answer["restrictions"].values()) == {None}
    assert answer["metadata"] == {}


@pytest.mark.parametrize("percentage", [0.01, 30.12, 15, 100, 0.1, 99.99])
def test_a_percentage_comes_back_as_it_was_sent(percentage):
    """Basis points inside, at most two decimals outside."""
    assert create_voucher(priceDiscountPercentage=percentage)["priceDiscountPercentage"] == percentage


def test_field_names_may_be_in_snake_case():
    """The same voucher, spelt another way."""
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
    """Also after the voucher was redeemed and retired, and however often it is asked."""
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
    """Refusals are data."""
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
    """Neither as a duplicate nor as a conflict: it is no other voucher that wants the code."""
    body = voucher_body(requestId="r1", code="SPRING", restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    first = task_named("vouchers.create")(request=body)
    task_named("vouchers.create")(request={**body, **changed})
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": first["id"]}) == first


def test_a_creation_without_a_request_id_is_one_voucher_however_often_its_message_comes():
    """The task's own id stays the same when it is delivered or tried again."""
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
    """Nothing of one project is visible from another."""
    first = create_voucher(requestId="r1")
    assert create_voucher(requestId="r1", project="other")["id"] != first["id"]
    with pytest.raises(NotFound):
        task_named("vouchers.retrieve")(request={"project": "other", "voucher": first["id"]})


def test_a_code_is_trimmed_shown_as_given_and_unique_without_regard_to_case():
    """Two vouchers that can be redeemed never share one."""
    assert create_voucher(code="  SumMer ")["code"] == "SumMer"
    with pytest.raises(InvalidRequest) as refused:
        create_voucher(code="SUMMER")
    assert [error["field"] for error in refused.value.errors] == ["code"]
    assert create_voucher(code="SUMMER", project="other")["code"] == "SUMMER"
    with pytest.raises(InvalidRequest):
        create_voucher(code="summer", project="other")


def test_a_voucher_that_has_not_started_holds_its_code():
    """It can still be redeemed."""
    create_voucher(code="SOON", restrictions={"startsAt": in_minutes(60)})
    with pytest.raises(InvalidRequest):
        create_voucher(code="SOON")


@pytest.mark.parametrize("swept", [True, False])
def test_an_expired_voucher_no_longer_holds_its_code_swept_or_not(swept):
    """And it is retired as a sweep would have done it."""
    old = create_voucher(code="SUMMER", restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    if swept:
        task_named("expiry.sweep")(request={})
    new = create_voucher(code="summer")
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": old["id"]})
    assert (after["status"], after["retiredReason"], after["retiredAt"]) == (
        "retired",
        "expired",
        "2026-01-01T00:00:00Z",
    )
    assert redeem(code="SUMMER")["voucher"] == new["id"]


def test_a_code_names_the_newest_voucher_that_carries_it():
    """Also when that one was retired meanwhile."""
    old = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": old["id"]})
    new = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": new["id"]})
    assert redeem(code="summer")["voucher"] == new["id"]


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
    """As if the sweep had come first."""
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
    """The one that the TypeID encodes."""
    voucher = create_voucher()
    plain = str(TypeID.from_string(voucher["id"]).uuid)
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": plain}) == voucher
    assert redeem(voucher=plain)["outcome"] == "accepted"


def test_what_does_not_exist_is_not_found():
    """The task fails; there is nothing to answer."""
    unknown = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40"}
    with pytest.raises(NotFound):
        task_named("vouchers.retrieve")(request=unknown)
    with pytest.raises(NotFound):
        task_named("vouchers.retire")(request=unknown)
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": redemption()["requestId"]})
