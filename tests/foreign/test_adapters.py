"""All adapters together: the names of their tasks, their queue, and the row that they share."""

from typing import Any

import pytest

from tasks.celery import app
from tasks.wire.errors import InvalidRequest
from tests.support.ramps import phase, ramp
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# The name of the project is also a valid account of Dintero.
PROJECT = "P12345678"
NAMES = {
    "dintero.discounts.usages",
    "gigs.vouchers.create",
    "gigs.vouchers.list",
    "gigs.vouchers.retire",
    "gigs.vouchers.retrieve",
    "polar.discounts.create",
    "polar.discounts.delete",
    "polar.discounts.list",
    "polar.discounts.retrieve",
    "polar.discounts.update",
    "stripe.coupons.import",
    "stripe.promotion_codes.import",
}


def test_the_tasks_are_there_by_their_names_and_go_to_the_queue_for_administration():
    """A sender and the worker route them alike."""
    systems = {name.split(".")[0] for name in NAMES}
    assert {name for name in app.tasks if name.split(".")[0] in systems} == NAMES
    assert {app.amqp.router.route({}, name)["queue"].name for name in NAMES} == {"admin"}


def _by_gigs() -> str:
    body = {"name": "Ten", "priceDiscountPercentage": 10, "recurrence": {"type": "repeating", "durationInMonths": 3}}
    return str(
        task_named("gigs.vouchers.create")(
            request={"project": PROJECT, **body, "restrictions": {"maximumRedemptions": 5}}
        )["id"]
    )


def _by_polar() -> str:
    body = {"name": "Ten", "type": "percentage", "basis_points": 1000, "duration": "repeating", "duration_in_months": 3}
    return str(
        task_named("polar.discounts.create")(request={"organization_id": PROJECT, **body, "max_redemptions": 5})["id"]
    )


def _by_stripe() -> str:
    coupon = {
        "object": "coupon",
        "id": "TEN",
        "name": "Ten",
        "percent_off": 10.0,
        "duration": "repeating",
        "duration_in_months": 3,
        "max_redemptions": 5,
        "times_redeemed": 0,
        "valid": True,
    }
    return str(task_named("stripe.coupons.import")(request={"project": PROJECT, "coupon": coupon})["id"])


def _by_ourselves() -> str:
    terms = {"recurrence": {"type": "repeating", "durationInMonths": 3}, "restrictions": {"maximumRedemptions": 5}}
    return str(create_voucher(project=PROJECT, name="Ten", priceDiscountPercentage=10, **terms)["id"])


@pytest.mark.parametrize("make", [_by_gigs, _by_polar, _by_stripe, _by_ourselves])
def test_a_voucher_means_the_same_through_every_door(make):
    """All adapters agree on a new, a redeemed and a retired voucher, whichever of them created it."""
    reference = {"project": PROJECT, "voucher": make()}
    by_id = {"organization_id": PROJECT, "id": reference["voucher"]}

    def doors() -> tuple[dict[str, Any], ...]:
        ours, theirs = (
            task_named("vouchers.retrieve")(request=reference),
            task_named("gigs.vouchers.retrieve")(request=reference),
        )
        return ours, theirs, task_named("polar.discounts.retrieve")(request=by_id)

    ours, theirs, discount = doors()
    assert ours["name"] == theirs["name"] == discount["name"] == "Ten"
    assert ours["priceDiscountPercentage"] == theirs["priceDiscountPercentage"] == discount["basis_points"] / 100 == 10
    assert ours["recurrence"]["type"] == theirs["recurrence"]["type"] == discount["duration"] == "repeating"
    assert ours["recurrence"]["durationInMonths"] == discount["duration_in_months"] == 3
    assert theirs["recurrence"]["durationInMonths"] == 3
    assert ours["restrictions"]["maximumRedemptions"] == discount["max_redemptions"] == 5
    assert theirs["restrictions"]["maximumRedemptions"] == 5
    assert ours["createdAt"] == theirs["createdAt"] == discount["created_at"]
    assert redeem(project=PROJECT, voucher=reference["voucher"])["outcome"] == "accepted"
    ours, theirs, discount = doors()
    assert ours["redemptions"] == theirs["redemptions"] == discount["redemptions_count"] == 1
    (usage,) = task_named("dintero.discounts.usages")(request={"aid": PROJECT, "did": discount["id"]})
    assert usage["discount_id"] == discount["id"]
    task_named("polar.discounts.delete")(request=by_id)
    assert task_named("gigs.vouchers.retrieve")(request=reference)["retiredReason"] == "manualAction"
    assert task_named("gigs.vouchers.list")(request={"project": PROJECT})["items"] == []
    assert task_named("polar.discounts.list")(request={"organization_id": PROJECT})["items"] == []


def test_a_name_of_5000_characters_is_taken_and_found_through_every_door():
    """A list finds it by its beginning, and by all of it."""
    name = "".join(chr(0x1F300 + position % 700) for position in range(5_000))
    terms = {"name": name, "recurrence": {"type": "once"}, "priceDiscountPercentage": 10}
    discount = {"name": name, "type": "percentage", "duration": "once", "basis_points": 1000}
    coupon = {
        "object": "coupon",
        "id": name,
        "percent_off": 10.0,
        "duration": "once",
        "times_redeemed": 0,
        "valid": True,
    }
    answers = [
        create_voucher(project=PROJECT, **terms),
        task_named("gigs.vouchers.create")(request={"project": PROJECT, **terms}),
        task_named("polar.discounts.create")(request={"organization_id": PROJECT, **discount}),
        task_named("stripe.coupons.import")(request={"project": PROJECT, "coupon": coupon, "code": None}),
    ]
    assert {each["name"] for each in answers} == {name}
    for beginning in (name[:100], name):
        page = task_named("vouchers.list")(request={"project": PROJECT, "name": beginning})
        assert len(page["items"]) == len(answers)
    page = task_named("polar.discounts.list")(request={"organization_id": PROJECT, "query": name[:255]})
    assert page["pagination"]["total_count"] == len(answers)


@pytest.mark.parametrize(("unit", "months"), [("months", 12), ("cycles", None)])
def test_a_voucher_in_phases_is_shown_by_its_first_phase(unit, months):
    """Neither system has phases. The months are those of all."""
    ours = create_voucher(**ramp(phase(33.3333, **{unit: 3}), phase(amount=500, **{unit: 9})))
    theirs = task_named("gigs.vouchers.retrieve")(request={"project": "gigs", "voucher": ours["id"]})
    assert (theirs["priceDiscount"], theirs["priceDiscountPercentage"]) == (None, 33.3333)
    assert theirs["recurrence"] == {"type": "repeating", "durationInMonths": months}
    discount = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": ours["id"]})
    assert (discount["basis_points"], discount["duration_in_months"]) == (3333, months)


@pytest.mark.parametrize(
    ("fields", "bad"),
    [({"basis_points": 1000}, ["basis_points"]), ({"duration_in_months": 3}, ["duration_in_months"])],
)
def test_a_voucher_in_phases_keeps_them_through_polar(fields, bad):
    """Another price or duration is refused. A new name is not, nor is the amount that belongs to another schema."""
    ours = create_voucher(**ramp(phase(50, months=3)))
    request = {"organization_id": "gigs", "id": ours["id"]}
    with pytest.raises(InvalidRequest) as refused:
        task_named("polar.discounts.update")(request={**request, **fields})
    assert [each["field"] for each in refused.value.errors] == bad
    task_named("polar.discounts.update")(request={**request, "name": "New", "amount": 5, "type": "percentage"})
    changed = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": ours["id"]})
    assert (changed["name"], changed["recurrence"]) == ("New", ours["recurrence"])
