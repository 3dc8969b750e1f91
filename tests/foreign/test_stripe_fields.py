"""Bad fields of a coupon."""

from typing import Any

import pytest

from tests.foreign.stripe import DOCUMENTED, FIXED
from tests.support.bad_requests import SECRET, fields_of
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def bad_fields(coupon: dict[str, Any], **changes: Any) -> list[str]:
    """Import a bad coupon, and return the bad fields that the error names, without the prefix `coupon.`."""
    found = fields_of(task_named("stripe.coupons.import"), {"project": "gigs", "coupon": {**coupon, **changes}})
    assert all(field.startswith("coupon.") for field in found)
    return [field.removeprefix("coupon.") for field in found]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"id": ""}, ["id"]),
        ({"id": "a\x00b"}, ["id"]),
        ({"id": SECRET * 1_000}, ["id"]),
        ({"object": "promotion_code"}, ["object"]),
        ({"deleted": True}, ["deleted"]),
        ({"script": {"configuration": {}}, "type": "script"}, ["script", "type"]),
        ({"type": "amount_off"}, ["type"]),
        ({"currency_options": {"usd": {"amount_off": 5}}}, ["currency_options"]),
        *(({"percent_off": bad}, ["percent_off"]) for bad in (0, -1, 100.01, 33.33333, "25", True)),
        ({"percent_off": None}, ["percent_off"]),
        ({"duration": "weekly"}, ["duration"]),
        ({"duration_in_months": None}, ["duration_in_months"]),
        ({"duration_in_months": 1000}, ["duration_in_months"]),
        ({"max_redemptions": 0}, ["max_redemptions"]),
        ({"times_redeemed": -1}, ["times_redeemed"]),
        ({"times_redeemed": None}, ["times_redeemed"]),
        ({"times_redeemed": 6, "max_redemptions": 5}, ["times_redeemed"]),
        *(({"redeem_by": bad}, ["redeem_by"]) for bad in ("2026-01-01", 1.5, True, 10**30, -1, 10**11)),
        ({"created": "now"}, ["created"]),
        ({"livemode": "no"}, ["livemode"]),
        ({"valid": None}, ["valid"]),
        ({"name": ""}, ["name"]),
        ({"metadata": {"a": 1}}, ["metadata"]),
        ({"metadata": {"a": "v" * 501}}, ["metadata"]),
        ({"applies_to": {"products": []}}, ["applies_to.products"]),
        ({"applies_to": {"products": ["a"], "prices": []}}, ["applies_to.?"]),
        ({"minimum_amount": 5}, ["minimum_amount"]),
        ({"id": "", "valid": None, "bogus": 1}, ["id", "valid", "?"]),
    ],
)
def test_a_coupon_with_bad_fields_is_not_imported(changes, fields):
    """The error names every bad field as Stripe does. Unknown fields are bad, because they may be restrictions."""
    assert bad_fields(DOCUMENTED, **changes) == fields


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"amount_off": 1.5}, ["amount_off"]),
        ({"amount_off": 10**12}, ["amount_off"]),
        ({"currency": None}, ["currency"]),
        ({"currency": "USD"}, ["currency"]),
        ({"currency": "zzz"}, ["currency"]),
        ({"percent_off": 10}, ["percent_off"]),
        ({"currency_options": {"usd": {"amount_off": 499}}}, ["currency_options"]),
        ({"currency_options": {"eur": {"amount_off": 0}}}, ["currency_options.eur.amount_off"]),
        ({"currency_options": {"EUR": {"amount_off": 1}}}, ["currency_options.EUR.[key]"]),
        ({"currency_options": {"eur": {"amount_off": 1, "minimum": 2}}}, ["currency_options.eur.?"]),
    ],
)
def test_a_fixed_coupon_with_bad_fields_is_not_imported(changes, fields):
    """The amount, the currency and the amounts in other currencies are validated."""
    assert bad_fields(FIXED, **changes) == fields


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"currency": "isk", "amount_off": 150}, ["amount_off"]),
        ({"currency": "ugx", "amount_off": 99}, ["amount_off"]),
        ({"currency": "mga", "amount_off": 10**10}, ["amount_off"]),
        (
            {"currency_options": {"eur": {"amount_off": 1}, "isk": {"amount_off": 101}}},
            ["currency_options.isk.amount_off"],
        ),
        (
            {"currency": "isk", "amount_off": 1, "currency_options": {"isk": {"amount_off": 1}}},
            ["amount_off", "currency_options.isk.amount_off"],
        ),
    ],
)
def test_an_amount_that_no_amount_here_equals_is_refused(changes, fields):
    """ISK and UGX have two decimals in Stripe and none here. MGA has none in Stripe and two here."""
    assert bad_fields(FIXED, **changes) == fields


def test_a_deleted_coupon_as_stripe_answers_it_is_refused():
    """Stripe shows only three fields of a deleted coupon."""
    deleted = {"id": "jMT0WJUD", "object": "coupon", "deleted": True}
    fields = fields_of(task_named("stripe.coupons.import"), {"project": "gigs", "coupon": deleted})
    assert {"coupon.deleted", "coupon.duration", "coupon.valid"} <= set(fields)


@pytest.mark.parametrize("coupon_id", ["ab", " SUMMER", "sümmer", "a" * 257, f"{SECRET}!"])
def test_an_id_that_cannot_be_a_code_asks_for_one(coupon_id):
    """It stands beside the coupon, and may be null."""
    request = {"project": "gigs", "coupon": {**DOCUMENTED, "id": coupon_id}}
    assert fields_of(task_named("stripe.coupons.import"), request) == ["code"]


@pytest.mark.parametrize("code", ["ab", "sümmer", "a" * 257, "", 5])
def test_the_code_beside_a_coupon_is_one_of_ours(code):
    """As in `vouchers.create`."""
    request = {"project": "gigs", "coupon": DOCUMENTED, "code": code}
    assert fields_of(task_named("stripe.coupons.import"), request) == ["code"]


@pytest.mark.parametrize("request_", [{"coupon": DOCUMENTED}, {"project": "gigs"}, {"project": "gigs", "coupon": []}])
def test_a_request_is_a_project_and_a_coupon(request_):
    """Both fields are required."""
    missing = "project" if "project" not in request_ else "coupon"
    assert fields_of(task_named("stripe.coupons.import"), request_) == [missing]
