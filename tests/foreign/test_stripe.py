"""Stripe's coupons: the documented object, what was redeemed there, and each coupon once."""

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.bad_requests import SECRET, fields_of
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

# The example of the API reference, as it is written there.
DOCUMENTED: dict[str, Any] = {
    "id": "jMT0WJUD",
    "object": "coupon",
    "amount_off": None,
    "created": 1678037688,
    "currency": None,
    "duration": "repeating",
    "duration_in_months": 3,
    "livemode": False,
    "max_redemptions": None,
    "metadata": {},
    "name": None,
    "percent_off": 25.5,
    "redeem_by": None,
    "times_redeemed": 0,
    "valid": True,
}
FIXED = {**DOCUMENTED, "percent_off": None, "amount_off": 500, "currency": "usd"}
LONG_AGO, FAR_AHEAD = 1_700_000_000, 4_070_908_800

pytestmark = pytest.mark.usefixtures("database")


def import_coupon(coupon: dict[str, Any] = DOCUMENTED, **changes: Any) -> dict[str, Any]:
    """This function will import the coupon with those changes."""
    answer: dict[str, Any] = task_named("stripe.coupons.import")(
        request={"project": "gigs", "coupon": {**coupon, **changes}}
    )
    return answer


def retrieve(voucher: dict[str, Any]) -> dict[str, Any]:
    """This function will look at the voucher as it stands."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    return answer


def bad_fields(coupon: dict[str, Any], **changes: Any) -> list[str]:
    """This function will import a bad coupon and return the fields that were found bad, as they are named in it."""
    found = fields_of(task_named("stripe.coupons.import"), {"project": "gigs", "coupon": {**coupon, **changes}})
    assert all(field.startswith("coupon.") for field in found)
    return [field.removeprefix("coupon.") for field in found]


def test_the_documented_coupon_is_imported_unchanged():
    """Its id is the code, and the name where it has none."""
    answer = import_coupon()
    assert answer == retrieve(answer)
    assert (answer["name"], answer["code"]) == ("jMT0WJUD", "jMT0WJUD")
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (None, 25.5)
    assert {name: answer["recurrence"][name] for name in ("type", "durationInMonths")} == {
        "type": "repeating",
        "durationInMonths": 3,
    }
    assert set(answer["restrictions"].values()) == {None}
    assert (answer["redemptions"], answer["status"], answer["metadata"]) == (0, "available", {})


def test_every_field_of_a_coupon_comes_over():
    """With the two that Stripe shows on request, and with those of its newest versions."""
    answer = import_coupon(
        FIXED,
        id="Black-Friday_1",
        name="Black Friday",
        duration="once",
        duration_in_months=None,
        currency_options={"usd": {"amount_off": 500}, "eur": {"amount_off": 450}},
        applies_to={"products": ["prod_a", "prod_b"]},
        max_redemptions=9,
        metadata={"campaign": "spring"},
        redeem_by=FAR_AHEAD,
        script=None,
        type="amount_off",
        times_redeemed=4,
    )
    assert (answer["name"], answer["code"]) == ("Black Friday", "Black-Friday_1")
    assert answer["priceDiscount"] == {"amount": 500, "currency": "USD", "currencyOptions": {"EUR": 450}}
    assert answer["recurrence"]["type"] == "once"
    assert answer["restrictions"]["expiresAt"] == datetime.fromtimestamp(FAR_AHEAD, UTC).isoformat()[:19] + "Z"
    assert (answer["restrictions"]["products"], answer["restrictions"]["maximumRedemptions"]) == (
        ["prod_a", "prod_b"],
        9,
    )
    assert (answer["redemptions"], answer["metadata"]) == (4, {"campaign": "spring"})


def test_what_was_redeemed_counts_and_the_numbers_go_on_after_it():
    """Two of five are left: they are 4 and 5, and then it is full. The audit after the test agrees."""
    voucher = import_coupon(times_redeemed=3, max_redemptions=5)
    answers = [redeem(code="jmt0wjud") for _ in range(3)]
    assert [answer["redemptionNumber"] for answer in answers] == [4, 5, None]
    assert answers[2]["reason"] == "max_redemptions_reached"
    after = retrieve(voucher)
    assert (after["redemptions"], after["retiredReason"]) == (5, "maxRedemptionsReached")


def test_an_exhausted_coupon_stays_exhausted():
    """It is full from the start, and a sweep finds nothing to do."""
    voucher = import_coupon(times_redeemed=5, max_redemptions=5, valid=False)
    assert (voucher["redemptions"], voucher["status"]) == (5, "retired")
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("maxRedemptionsReached", voucher["createdAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "max_redemptions_reached"
    assert task_named("expiry.sweep")(request={})["maxRedemptionsReached"] == 0
    assert retrieve(voucher) == voucher


@pytest.mark.parametrize("valid", [True, False])
def test_a_coupon_that_is_over_is_retired_as_expired(valid):
    """Since it is over; whether it was exported before or after."""
    voucher = import_coupon(redeem_by=LONG_AGO, valid=valid)
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("expired", voucher["restrictions"]["expiresAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "voucher_expired"


def test_a_coupon_that_is_not_valid_for_another_reason_is_retired_by_hand():
    """Somebody withdrew it there."""
    voucher = import_coupon(valid=False, redeem_by=FAR_AHEAD, max_redemptions=5, times_redeemed=4)
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("manualAction", voucher["createdAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "voucher_retired"


def test_a_coupon_imported_twice_is_one_voucher_with_the_first_answer():
    """Also after it was redeemed, by whatever task it comes, and in any order of its keys."""
    options = {"currency_options": {"eur": {"amount_off": 450}, "gbp": {"amount_off": 400}}}
    first = import_coupon(FIXED, **options, metadata={"a": "1", "b": "2"})
    redeem(code="jMT0WJUD", currency="EUR")
    turned = {
        **dict(reversed(FIXED.items())),
        "metadata": {"b": "2", "a": "1"},
        "currency_options": dict(reversed(options["currency_options"].items())),
    }
    request = {"project": "gigs", "coupon": turned}
    for task_id in ("one", "two"):
        assert task_named("stripe.coupons.import").apply(kwargs={"request": request}, task_id=task_id).get() == first
    assert retrieve(first)["redemptions"] == 1


@pytest.mark.parametrize(
    "changes", [{"times_redeemed": 1}, {"valid": False}, {"livemode": True}, {"created": 1}, {"name": "jMT0WJUD"}]
)
def test_another_body_for_the_same_coupon_is_a_conflict_and_the_first_stands(changes):
    """Every field of the object counts, also one that a voucher does not keep."""
    first = import_coupon()
    assert import_coupon(**changes) == {
        "object": "voucher",
        "project": "gigs",
        "requestId": None,
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert retrieve(first) == first


@pytest.mark.parametrize("coupon", [DOCUMENTED, {**DOCUMENTED, "max_redemptions": 2, "times_redeemed": 2}])
def test_a_coupon_imported_many_times_at_once_is_one_voucher(coupon):
    """One that holds its code, and one that does not."""
    answers = at_once([lambda: import_coupon(coupon)] * 4)
    assert all(answer == answers[0] for answer in answers)


def test_two_bodies_of_one_coupon_at_once_are_one_voucher_and_conflicts():
    """Which of them wins is open."""
    bodies = [{**DOCUMENTED, "times_redeemed": number, "max_redemptions": 3} for number in range(4)]
    answers = at_once([partial(import_coupon, body) for body in bodies])
    assert Counter(answer.get("reason") for answer in answers) == {None: 1, "idempotency_conflict": 3}


def test_a_coupon_and_a_request_id_of_the_same_name_have_nothing_to_do_with_each_other():
    """The keys of callers are their own."""
    import_coupon()
    assert create_voucher(requestId="jMT0WJUD", code="OTHER")["code"] == "OTHER"
    assert create_voucher(requestId="stripe.coupons.import:jMT0WJUD", code="ANOTHER")["code"] == "ANOTHER"


def test_a_coupon_whose_id_is_the_code_of_another_voucher_is_refused():
    """Without regard to case; the field is named as it is called in the coupon."""
    create_voucher(code="JMT0WJUD")
    with pytest.raises(InvalidRequest) as refused:
        import_coupon()
    assert [error["field"] for error in refused.value.errors] == ["coupon.id"]


def test_a_coupon_that_is_over_is_imported_though_another_voucher_has_its_code():
    """It shows the code, which goes on naming the other one."""
    other = create_voucher(code="JMT0WJUD")
    voucher = import_coupon(times_redeemed=5, max_redemptions=5, valid=False)
    assert (voucher["code"], voucher["retiredReason"]) == ("jMT0WJUD", "maxRedemptionsReached")
    assert redeem(code="jMT0WJUD")["voucher"] == other["id"]


def test_an_imported_coupon_is_seen_through_the_other_adapters():
    """One row, three vocabularies."""
    voucher = import_coupon(FIXED, times_redeemed=2, max_redemptions=9, applies_to={"products": ["prod_a"]})
    theirs = task_named("gigs.vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (theirs["redemptions"], theirs["priceDiscount"]) == (2, {"amount": 500, "currency": "USD"})
    discount = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": voucher["id"]})
    assert (discount["redemptions_count"], discount["max_redemptions"], discount["products"]) == (2, 9, ["prod_a"])
    assert (discount["code"], discount["amount"], discount["currency"]) == ("jMT0WJUD", 500, "usd")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"id": "ab"}, ["id"]),
        ({"id": " SUMMER"}, ["id"]),
        ({"id": "sümmer"}, ["id"]),
        ({"id": "a" * 257}, ["id"]),
        ({"id": f"{SECRET}!"}, ["id"]),
        ({"object": "promotion_code"}, ["object"]),
        ({"deleted": True}, ["deleted"]),
        ({"script": {"configuration": {}}, "type": "script"}, ["script", "type"]),
        ({"type": "amount_off"}, ["type"]),
        ({"currency": "usd"}, ["currency"]),
        ({"currency_options": {"usd": {"amount_off": 5}}}, ["currency_options"]),
        *(({"percent_off": bad}, ["percent_off"]) for bad in (0, -1, 100.01, 33.333, "25", True)),
        ({"percent_off": None}, ["percent_off"]),
        ({"duration": "weekly"}, ["duration"]),
        ({"duration": "once"}, ["duration_in_months"]),
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
        ({"applies_to": {"products": ["a"], "prices": []}}, ["applies_to.prices"]),
        ({"minimum_amount": 5}, ["minimum_amount"]),
        ({"id": "!", "valid": None, "bogus": 1}, ["id", "valid", "bogus"]),
    ],
)
def test_a_coupon_with_bad_fields_is_not_imported(changes, fields):
    """Every bad field is named, as it is called there; what is not known might be a restriction."""
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
        ({"currency_options": {"eur": {"amount_off": 1, "minimum": 2}}}, ["currency_options.eur.minimum"]),
    ],
)
def test_a_fixed_coupon_with_bad_fields_is_not_imported(changes, fields):
    """The amount, its currency, and the amounts in others."""
    assert bad_fields(FIXED, **changes) == fields


def test_a_deleted_coupon_as_stripe_answers_it_is_refused():
    """It has three fields only."""
    deleted = {"id": "jMT0WJUD", "object": "coupon", "deleted": True}
    fields = fields_of(task_named("stripe.coupons.import"), {"project": "gigs", "coupon": deleted})
    assert {"coupon.deleted", "coupon.duration", "coupon.valid"} <= set(fields)


@pytest.mark.parametrize("request_", [{"coupon": DOCUMENTED}, {"project": "gigs"}, {"project": "gigs", "coupon": []}])
def test_a_request_is_a_project_and_a_coupon(request_):
    """Both, side by side."""
    missing = "project" if "project" not in request_ else "coupon"
    assert fields_of(task_named("stripe.coupons.import"), request_) == [missing]
