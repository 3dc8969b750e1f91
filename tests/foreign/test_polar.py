"""Discounts in the format of Polar: the documented bodies and fields, and our use cases behind them."""

from typing import Any
from uuid import UUID

import pytest
from typeid import TypeID

from tasks.wire.errors import NotFound
from tests.foreign.polar import DOCUMENTED, ENDPOINT, ENDPOINT_FIXED, ORGANIZATION, PROMO, create, ours, reference
from tests.support.bad_requests import SECRET
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


COMMON = set(DOCUMENTED) - {"amount", "currency", "amounts"}
SCHEMAS = {
    "fixed once": ({"type": "fixed", "amount": 1000, "duration": "once"}, {"amount", "currency", "amounts"}),
    "fixed forever": ({"type": "fixed", "amount": 1000, "duration": "forever"}, {"amount", "currency", "amounts"}),
    "fixed repeating": (
        {"type": "fixed", "amount": 1000, "duration": "repeating", "duration_in_months": 3},
        {"amount", "currency", "amounts", "duration_in_months"},
    ),
    "percentage once": ({"type": "percentage", "basis_points": 1, "duration": "once"}, {"basis_points"}),
    "percentage forever": ({"type": "percentage", "basis_points": 10_000, "duration": "forever"}, {"basis_points"}),
    "percentage repeating": (
        {"type": "percentage", "basis_points": 3012, "duration": "repeating", "duration_in_months": 999},
        {"basis_points", "duration_in_months"},
    ),
}


@pytest.mark.parametrize("body", [ENDPOINT, ENDPOINT_FIXED, {**PROMO, "organization_id": ORGANIZATION}])
def test_the_documented_bodies_run_unchanged_and_are_repeated(body):
    """The answer has the documented fields only."""
    answer = task_named("polar.discounts.create")(request=body)
    added = {"created_at": answer["created_at"], "id": str(UUID(answer["id"]))}
    limits = dict.fromkeys(("starts_at", "ends_at", "max_redemptions", "max_redemptions_per_customer"))
    if body["type"] == "fixed":
        added["amounts"] = {"usd": 1000}
    assert answer == {
        **body,
        **added,
        **limits,
        "products": [],
        "modified_at": None,
        "metadata": {},
        "redemptions_count": 0,
    }
    assert task_named("polar.discounts.retrieve")(request=reference(answer)) == answer


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_schema_is_answered_with_exactly_its_own_fields(schema):
    """`repeating` has months, `fixed` has an amount, and `percentage` has basis points."""
    body, own = SCHEMAS[schema]
    answer = task_named("polar.discounts.create")(request={"organization_id": ORGANIZATION, "name": schema, **body})
    assert set(answer) == COMMON | own
    assert {name: answer[name] for name in body} == body
    assert answer.get("currency", "usd") == "usd"
    assert task_named("polar.discounts.retrieve")(request=reference(answer)) == answer


def test_every_field_comes_back_as_it_was_given():
    """Instants are in UTC, the code is stripped, and the currency is in lower case in requests and answers."""
    body = {
        **ENDPOINT_FIXED,
        "code": "  Summer25 ",
        "currency": "eur",
        "starts_at": "2026-01-01T00:00:00+02:00",
        "ends_at": "2099-04-14T19:38:34Z",
        "max_redemptions": 100,
        "max_redemptions_per_customer": 2,
        "products": [ORGANIZATION, "prod_b"],
        "metadata": {"campaign": "spring", "score": 1.5, "rank": 3, "internal": True},
    }
    answer = task_named("polar.discounts.create")(request=body)
    assert set(answer) == set(DOCUMENTED)
    assert {name: answer[name] for name in body} == {
        **body,
        "code": "Summer25",
        "starts_at": "2025-12-31T22:00:00Z",
    }


def test_their_discount_is_ours_with_the_same_meaning():
    """Our own task and another adapter show the voucher, and redemptions fill it."""
    made = create(ENDPOINT_FIXED, max_redemptions=1, products=["prod_a"], metadata={"a": 1})
    voucher = ours(made)
    assert str(TypeID.from_string(voucher["id"]).uuid) == made["id"]
    assert (voucher["priceDiscount"]["amount"], voucher["priceDiscount"]["currency"]) == (1000, "USD")
    assert (voucher["recurrence"]["type"], voucher["code"], voucher["metadata"]) == ("once", "DISCOUNT", {"a": 1})
    assert (voucher["restrictions"]["maximumRedemptions"], voucher["restrictions"]["products"]) == (1, ["prod_a"])
    theirs = task_named("gigs.vouchers.retrieve")(request={"project": ORGANIZATION, "voucher": voucher["id"]})
    assert theirs["priceDiscount"] == {"amount": 1000, "currency": "USD"}
    accepted = redeem(project=ORGANIZATION, code="discount", currency="USD", products=["prod_a"])
    assert accepted["outcome"] == "accepted"
    after = task_named("polar.discounts.retrieve")(request=reference(made))
    assert (after["redemptions_count"], after["modified_at"]) == (1, ours(made)["retiredAt"])
    assert ours(made)["retiredReason"] == "maxRedemptionsReached"


def test_our_voucher_is_theirs_whatever_its_project_is_called():
    """Our own task and that of Gigs created them. The adapter accepts TypeIDs and UUIDs."""
    voucher = create_voucher(
        code="With-Dash",
        priceDiscountPercentage=30.12,
        recurrence={"type": "repeating", "durationInMonths": 2},
        restrictions={"startsAt": "2026-01-01T00:00:00Z", "maximumRedemptionsPerCustomer": 1},
    )
    answer = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": voucher["id"]})
    assert (answer["basis_points"], answer["duration_in_months"], answer["code"]) == (3012, 2, "With-Dash")
    assert (answer["starts_at"], answer["ends_at"]) == ("2026-01-01T00:00:00Z", None)
    assert answer["created_at"] == voucher["createdAt"]
    body = {"name": "n", "priceDiscount": {"amount": 7, "currency": "JPY"}, "recurrence": {"type": "once"}}
    made = task_named("gigs.vouchers.create")(request={"project": "gigs", **body})
    shown = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": made["id"]})
    assert (shown["amount"], shown["currency"], shown["type"], shown["duration"]) == (7, "jpy", "fixed", "once")


@pytest.mark.parametrize("basis_points", [1, 29, 57, 58, 113, 1001, 3012, 9999, 10_000])
def test_basis_points_are_exact(basis_points):
    """No float rounds them on the way to a percentage and back."""
    assert create(basis_points=basis_points)["basis_points"] == basis_points


def test_a_percentage_of_four_decimals_is_rounded_to_basis_points():
    """Polar has no others. A half is rounded up."""
    shown = {percentage: polar_shows(percentage) for percentage in (33.3333, 33.335, 33.345, 0.0001)}
    assert shown == {33.3333: 3333, 33.335: 3334, 33.345: 3335, 0.0001: 0}


def polar_shows(percentage: float) -> int:
    """Return the basis points of a voucher of ours."""
    voucher = create_voucher(priceDiscountPercentage=percentage)
    answer = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": voucher["id"]})
    return int(answer["basis_points"])


@pytest.mark.parametrize("sent", ["2099-01-01T12:00:00", "2099-01-01 12:00:00.0", "2099-01-01t12:00:00Z"])
def test_a_timestamp_without_an_offset_is_in_utc(sent):
    """As in Polar, also in an update."""
    discount = create(starts_at=sent)
    assert discount["starts_at"] == "2099-01-01T12:00:00Z"
    updated = task_named("polar.discounts.update")(request={**reference(discount), "ends_at": "2099-06-01T12:00:00"})
    assert updated["ends_at"] == "2099-06-01T12:00:00Z"


def test_blank_codes_are_none_and_no_products_are_all():
    """Polar treats them the same."""
    for blank in ("", "   ", None):
        assert create(code=blank)["code"] is None
    for nothing in (list[str](), None):
        assert ours(create(code=None, products=nothing))["restrictions"]["products"] is None


def test_what_polar_does_not_know_is_ignored_as_polar_ignores_it():
    """The fields of Polar's other schemas are ignored too, even if their values are invalid."""
    other: dict[str, Any] = {"amount": "nonsense", "currency": 5, "duration_in_months": -1}
    answer = create(**other, bogus=SECRET)
    assert set(answer) == COMMON | {"basis_points"}
    assert "basis_points" not in create(ENDPOINT_FIXED, code=None, basis_points=SECRET)


def test_a_creation_that_is_delivered_twice_makes_one_discount_and_two_tasks_make_two():
    """The body has no idempotency key, so the task id is the key."""

    def deliver(task_id: str, **changes: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (
            task_named("polar.discounts.create")
            .apply(kwargs={"request": {**ENDPOINT, **changes}}, task_id=task_id)
            .get()
        )
        return answer

    first = deliver("twice")
    redeem(project=ORGANIZATION, code="DISCOUNT")
    assert deliver("twice") == first
    assert deliver("twice", name="Another")["reason"] == "idempotency_conflict"
    assert deliver("another", code="OTHER")["id"] != first["id"]
    answers = at_once([lambda: deliver("at once", code="MORE")] * 4)
    assert all(answer == answers[0] for answer in answers)


def test_deleting_retires_and_the_discount_is_gone_for_polar():
    """The answer is empty, our voucher is retired by hand, and the code is free again."""
    made = create()
    assert task_named("polar.discounts.delete")(request=reference(made)) is None
    assert (ours(made)["status"], ours(made)["retiredReason"]) == ("retired", "manualAction")
    with pytest.raises(NotFound):
        task_named("polar.discounts.retrieve")(request=reference(made))
    assert task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION})["items"] == []
    assert redeem(project=ORGANIZATION, code="DISCOUNT")["reason"] == "voucher_retired"
    assert create()["id"] != made["id"]


def test_deleting_twice_or_at_once_changes_nothing():
    """A redelivery gets the same empty answer."""
    made = create()
    assert at_once([lambda: task_named("polar.discounts.delete")(request=reference(made))] * 4) == [None] * 4
    retired = ours(made)
    assert task_named("polar.discounts.delete")(request=reference(made)) is None
    assert ours(made) == retired


def test_what_has_ended_by_itself_is_still_there():
    """Polar shows expired and full discounts, although they cannot be redeemed."""
    made = create(ends_at="2026-01-01T00:00:00Z")
    task_named("expiry.sweep")(request={})
    after = task_named("polar.discounts.retrieve")(request=reference(made))
    assert (after["ends_at"], after["modified_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION})["items"] == [after]


def test_what_does_not_exist_in_the_organization_is_not_found():
    """No row of one organization is visible from another."""
    made = create()
    for task in (task_named("polar.discounts.retrieve"), task_named("polar.discounts.delete")):
        with pytest.raises(NotFound):
            task(request={"organization_id": "other", "id": made["id"]})
    assert ours(made)["status"] == "available"
