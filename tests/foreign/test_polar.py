"""Polar's discounts: the documented bodies and fields, and our use cases behind them."""

from typing import Any
from uuid import UUID

import pytest
from typeid import TypeID

from tasks.foreign.polar_messages import ListDiscounts
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.parsing import parse
from tests.support.bad_requests import SECRET, fields_of
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

ORGANIZATION = "1dbfc517-0bbf-4301-9ba8-555ca42b9737"
# The documented request bodies, as they are written there.
ENDPOINT: dict[str, Any] = {
    "name": "Discount",
    "type": "percentage",
    "code": "DISCOUNT",
    "duration": "once",
    "basis_points": 1000,
    "organization_id": ORGANIZATION,
}
ENDPOINT_FIXED: dict[str, Any] = {
    "name": "Discount",
    "type": "fixed",
    "code": "DISCOUNT",
    "duration": "once",
    "amount": 1000,
    "currency": "usd",
    "organization_id": ORGANIZATION,
}
# It names no organization: there its token stands for it.
PROMO: dict[str, Any] = {
    "name": "New Customer Promo",
    "code": "WELCOME25",
    "type": "percentage",
    "basis_points": 2500,
    "duration": "repeating",
    "duration_in_months": 3,
}
# The documented answer, as it is written there; for `products` we answer the ids that were given.
DOCUMENTED: dict[str, Any] = {
    "duration": "once",
    "type": "fixed",
    "amount": 123,
    "currency": "<string>",
    "created_at": "2023-11-07T05:31:56Z",
    "modified_at": "2023-11-07T05:31:56Z",
    "id": "<string>",
    "metadata": {},
    "name": "<string>",
    "code": "<string>",
    "starts_at": "2023-11-07T05:31:56Z",
    "ends_at": "2023-11-07T05:31:56Z",
    "max_redemptions": 123,
    "redemptions_count": 123,
    "organization_id": "1dbfc517-0bbf-4301-9ba8-555ca42b9737",
    "products": [
        {
            "metadata": {},
            "created_at": "2023-11-07T05:31:56Z",
            "modified_at": "2023-11-07T05:31:56Z",
            "id": "<string>",
            "name": "<string>",
            "description": "<string>",
            "recurring_interval": "month",
            "is_recurring": True,
            "is_archived": True,
            "organization_id": "1dbfc517-0bbf-4301-9ba8-555ca42b9737",
        }
    ],
}
COMMON = set(DOCUMENTED) - {"amount", "currency"}
SCHEMAS = {
    "fixed once": ({"type": "fixed", "amount": 1000, "duration": "once"}, {"amount", "currency"}),
    "fixed forever": ({"type": "fixed", "amount": 1000, "duration": "forever"}, {"amount", "currency"}),
    "fixed repeating": (
        {"type": "fixed", "amount": 1000, "duration": "repeating", "duration_in_months": 3},
        {"amount", "currency", "duration_in_months"},
    ),
    "percentage once": ({"type": "percentage", "basis_points": 1, "duration": "once"}, {"basis_points"}),
    "percentage forever": ({"type": "percentage", "basis_points": 10_000, "duration": "forever"}, {"basis_points"}),
    "percentage repeating": (
        {"type": "percentage", "basis_points": 3012, "duration": "repeating", "duration_in_months": 999},
        {"basis_points", "duration_in_months"},
    ),
}


def create(body: dict[str, Any] = ENDPOINT, **changes: Any) -> dict[str, Any]:
    """This function will create the discount with those changes."""
    answer: dict[str, Any] = task_named("polar.discounts.create")(request={**body, **changes})
    return answer


def reference(discount: dict[str, Any]) -> dict[str, Any]:
    """This function will return the parameters that name a discount."""
    return {"organization_id": discount["organization_id"], "id": discount["id"]}


def ours(discount: dict[str, Any]) -> dict[str, Any]:
    """This function will look at the discount as our voucher."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(
        request={"project": discount["organization_id"], "voucher": discount["id"]}
    )
    return answer


@pytest.mark.parametrize("body", [ENDPOINT, ENDPOINT_FIXED, {**PROMO, "organization_id": ORGANIZATION}])
def test_the_documented_bodies_run_unchanged_and_are_repeated(body):
    """With exactly the documented names beside them."""
    answer = task_named("polar.discounts.create")(request=body)
    added = {"created_at": answer["created_at"], "id": str(UUID(answer["id"]))}
    open_ends: dict[str, Any] = {"starts_at": None, "ends_at": None, "max_redemptions": None, "products": []}
    assert answer == {**body, **added, **open_ends, "modified_at": None, "metadata": {}, "redemptions_count": 0}
    assert task_named("polar.discounts.retrieve")(request=reference(answer)) == answer


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_schema_is_answered_with_exactly_its_own_fields(schema):
    """The months stand only with repeating, an amount only with fixed, basis points only with percentage."""
    body, own = SCHEMAS[schema]
    answer = task_named("polar.discounts.create")(request={"organization_id": ORGANIZATION, "name": schema, **body})
    assert set(answer) == COMMON | own
    assert {name: answer[name] for name in body} == body
    assert answer.get("currency", "usd") == "usd"
    assert task_named("polar.discounts.retrieve")(request=reference(answer)) == answer


def test_every_field_comes_back_as_it_was_given():
    """Instants in UTC; the code trimmed; a currency in lower case on both ways."""
    body = {
        **ENDPOINT_FIXED,
        "code": "  Summer25 ",
        "currency": "eur",
        "starts_at": "2026-01-01T00:00:00+02:00",
        "ends_at": "2099-04-14T19:38:34Z",
        "max_redemptions": 100,
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
    """Seen through our own task and through another adapter, redeemed, and full."""
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
    """Made by our own task and by Gigs'; the TypeID is accepted where the UUID is."""
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
    """Through the percentage and back, no float rounds them."""
    assert create(basis_points=basis_points)["basis_points"] == basis_points


def test_blank_codes_are_none_and_no_products_are_all():
    """As Polar reads them."""
    for blank in ("", "   ", None):
        assert create(code=blank)["code"] is None
    for nothing in (list[str](), None):
        assert ours(create(code=None, products=nothing))["restrictions"]["products"] is None


def test_what_polar_does_not_know_is_ignored_as_polar_ignores_it():
    """Also the fields of another of its schemas, whatever stands in them."""
    other: dict[str, Any] = {"amount": "nonsense", "currency": 5, "duration_in_months": -1}
    answer = create(**other, bogus=SECRET)
    assert set(answer) == COMMON | {"basis_points"}
    assert "basis_points" not in create(ENDPOINT_FIXED, code=None, basis_points=SECRET)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"organization_id": None}, ["organization_id"]),
        ({"name": ""}, ["name"]),
        ({"name": "n" * 256}, ["name"]),
        ({"type": "free"}, ["type"]),
        ({"type": []}, ["type"]),
        ({"duration": "weekly"}, ["duration"]),
        ({"duration": ["once"]}, ["duration"]),
        ({"duration": "repeating"}, ["duration_in_months"]),
        ({"duration": "repeating", "duration_in_months": 1000}, ["duration_in_months"]),
        ({"duration": "repeating", "duration_in_months": 0}, ["duration_in_months"]),
        *(({"code": bad}, ["code"]) for bad in ("ab", "a" * 257, "with-dash", "two words", "sümmer", 5)),
        *(({"basis_points": bad}, ["basis_points"]) for bad in (0, 10_001, 12.5, "100", None)),
        ({"starts_at": "2026-01-01"}, ["starts_at"]),
        ({"ends_at": "2026-01-01T00:00:00"}, ["ends_at"]),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z"}, ["ends_at"]),
        ({"max_redemptions": 0}, ["max_redemptions"]),
        ({"products": [""]}, ["products.0"]),
        ({"products": "all"}, ["products"]),
        ({"metadata": None}, ["metadata"]),
        ({"metadata": {"key": ""}}, ["metadata"]),
        ({"metadata": {"k" * 41: 1}}, ["metadata"]),
        ({"metadata": {"key": None}}, ["metadata"]),
        ({"max_redemptions_per_customer": 1}, ["max_redemptions_per_customer"]),
        ({"amounts": {"usd": 1000}}, ["amounts"]),
        ({"code": SECRET, "basis_points": SECRET, "max_redemptions": SECRET}, None),
    ],
)
def test_a_discount_with_bad_fields_is_not_created(changes, fields):
    """Every bad field is named, as it is called there."""
    assert set(fields_of(task_named("polar.discounts.create"), {**ENDPOINT, **changes})) == set(fields or changes)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        *(({"amount": bad}, ["amount"]) for bad in (0, -1, 10**12, 9.99, "5", None)),
        *(({"currency": bad}, ["currency"]) for bad in ("USD", "zzz", "", None)),
    ],
)
def test_a_fixed_discount_with_bad_fields_is_not_created(changes, fields):
    """An amount of nothing is none: Polar takes it, and our vouchers start at 1."""
    assert fields_of(task_named("polar.discounts.create"), {**ENDPOINT_FIXED, **changes}) == fields


@pytest.mark.parametrize("name", ["organization_id", "name", "type", "duration", "basis_points"])
def test_what_a_schema_requires_must_be_given(name):
    """The type and the duration tell which schema it is."""
    assert fields_of(
        task_named("polar.discounts.create"), {each: ENDPOINT[each] for each in ENDPOINT if each != name}
    ) == [name]


def test_a_code_that_another_discount_holds_is_a_bad_field():
    """Without regard to case, whoever made the other."""
    create_voucher(project=ORGANIZATION, code="Discount")
    with pytest.raises(InvalidRequest) as refused:
        create()
    assert [error["field"] for error in refused.value.errors] == ["code"]


def test_a_creation_that_is_delivered_twice_makes_one_discount_and_two_tasks_make_two():
    """The body has no id of its caller's: the task's own stands for it."""

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
    """Its answer is empty; for us the voucher is retired by hand; its code is free again."""
    made = create()
    assert task_named("polar.discounts.delete")(request=reference(made)) is None
    assert (ours(made)["status"], ours(made)["retiredReason"]) == ("retired", "manualAction")
    with pytest.raises(NotFound):
        task_named("polar.discounts.retrieve")(request=reference(made))
    assert task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION})["items"] == []
    assert redeem(project=ORGANIZATION, code="DISCOUNT")["reason"] == "voucher_retired"
    assert create()["id"] != made["id"]


def test_deleting_twice_or_at_once_changes_nothing():
    """A redelivery gets the same answer."""
    made = create()
    assert at_once([lambda: task_named("polar.discounts.delete")(request=reference(made))] * 4) == [None] * 4
    retired = ours(made)
    assert task_named("polar.discounts.delete")(request=reference(made)) is None
    assert ours(made) == retired


def test_what_has_ended_by_itself_is_still_there():
    """Polar shows what is over and what is used up; it only cannot be redeemed."""
    made = create(ends_at="2026-01-01T00:00:00Z")
    task_named("expiry.sweep")(request={})
    after = task_named("polar.discounts.retrieve")(request=reference(made))
    assert (after["ends_at"], after["modified_at"]) == ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")
    assert task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION})["items"] == [after]


def test_what_does_not_exist_in_the_organization_is_not_found():
    """Nothing of one organization is visible from another."""
    made = create()
    for task in (task_named("polar.discounts.retrieve"), task_named("polar.discounts.delete")):
        with pytest.raises(NotFound):
            task(request={"organization_id": "other", "id": made["id"]})
    assert ours(made)["status"] == "available"


@pytest.mark.parametrize("changes", [{"id": "nonsense"}, {"id": None}, {"organization_id": ""}])
def test_a_reference_with_a_bad_field_is_refused(changes):
    """A UUID, and an organization."""
    for task in (task_named("polar.discounts.retrieve"), task_named("polar.discounts.delete")):
        assert fields_of(task, {"organization_id": ORGANIZATION, "id": ORGANIZATION, **changes}) == list(changes)


def test_a_list_is_answered_with_exactly_their_fields():
    """Newest first, ten to a page, with the number of all."""
    made = [create(code=None, name=f"Discount {number}") for number in range(12)][::-1]
    create_voucher(project="other")
    first, second, third = (
        task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION, "page": page})
        for page in (1, 2, 3)
    )
    assert first == {"items": made[:10], "pagination": {"total_count": 12, "max_page": 2}}
    assert (second["items"], second["pagination"]) == (made[10:], first["pagination"])
    assert (third["items"], third["pagination"]) == ([], first["pagination"])
    nothing = task_named("polar.discounts.list")(request={"organization_id": "nobody"})
    assert nothing == {"items": [], "pagination": {"total_count": 0, "max_page": 0}}


def test_a_list_takes_their_limits_orders_and_filters():
    """A larger limit is cut to 100; a query looks into names and codes and takes signs as they are."""
    for name, code in (("Summer 100%", "ZZZ"), ("Autumn", "Summer"), ("Winter", None)):
        create(name=name, code=code)

    def names(**parameters: Any) -> list[str]:
        page = task_named("polar.discounts.list")(request={"organization_id": ORGANIZATION, **parameters})
        return [item["name"] for item in page["items"]]

    assert names(limit=1000) == ["Winter", "Autumn", "Summer 100%"]
    assert parse(ListDiscounts, {"organization_id": ORGANIZATION, "limit": 1000}).limit == 100
    assert names(sorting=["created_at"]) == ["Summer 100%", "Autumn", "Winter"]
    assert names(sorting=["name"]) == ["Autumn", "Summer 100%", "Winter"]
    assert names(sorting=["-name"], limit=1, page=2) == ["Summer 100%"]
    assert names(sorting=["code"])[:2] == ["Autumn", "Summer 100%"]
    redeem(project=ORGANIZATION, code="SUMMER")
    assert names(sorting=["-redemptions_count", "name"]) == ["Autumn", "Summer 100%", "Winter"]
    assert names(query="Summer", sorting=["name"]) == ["Autumn", "Summer 100%"]
    assert names(query="summer") == ["Autumn"]
    assert names(query="%") == ["Summer 100%"]
    assert names(query="_") == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"page": 0}, ["page"]),
        ({"page": 10**30}, ["page"]),
        ({"limit": 0}, ["limit"]),
        ({"limit": "10"}, ["limit"]),
        ({"sorting": ["price"]}, ["sorting.0"]),
        ({"sorting": "name"}, ["sorting"]),
        ({"query": "a\x00b"}, ["query"]),
        ({"organization_id": None}, ["organization_id"]),
    ],
)
def test_a_list_with_bad_parameters_is_refused(changes, fields):
    """Each is named."""
    assert fields_of(task_named("polar.discounts.list"), {"organization_id": ORGANIZATION, **changes}) == fields
