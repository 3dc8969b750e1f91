"""Coupons of Stripe: the documented object, the redemptions so far, and each coupon imported once."""

from collections import Counter
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.stripe import DOCUMENTED, FIXED, import_coupon
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


LONG_AGO, FAR_AHEAD = 1_700_000_000, 4_070_908_800


def retrieve(voucher: dict[str, Any]) -> dict[str, Any]:
    """Return the voucher as it is now."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    return answer


def test_the_documented_coupon_is_imported_unchanged():
    """The id of the coupon is the code, and also the name if the coupon has none."""
    answer = import_coupon()
    assert answer == retrieve(answer)
    assert (answer["name"], answer["code"]) == ("jMT0WJUD", "jMT0WJUD")
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (None, 25.5)
    assert {name: answer["recurrence"][name] for name in ("type", "durationInMonths")} == {
        "type": "repeating",
        "durationInMonths": 3,
    }
    assert set(answer["restrictions"].values()) == {None, False}
    assert (answer["redemptions"], answer["status"], answer["metadata"]) == (0, "available", {})


@pytest.mark.parametrize("duration", ["once", "forever"])
def test_fields_without_a_meaning_are_ignored(duration):
    """Stripe's fixtures have a currency without an amount, and months without `repeating`. Both import the same."""
    plain = import_coupon(duration=duration, duration_in_months=None)
    assert import_coupon(duration=duration, duration_in_months=3, currency="usd") == plain
    assert (plain["priceDiscount"], plain["recurrence"]["durationInMonths"]) == (None, None)


def test_every_field_of_a_coupon_comes_over():
    """Two fields are shown by Stripe on request only, and others in the newest versions only."""
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


@pytest.mark.parametrize(
    ("currency", "theirs", "amount"),
    [
        # Zero-decimal currencies, and MGA, which has two decimals in ISO 4217.
        *(
            (currency, 500, 500)
            for currency in (
                *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
            )
        ),
        ("MGA", 500, 50_000),
        # Three decimals.
        *((currency, 5_120, 5_120) for currency in ("BHD", "JOD", "KWD", "OMR", "TND")),
        # The special cases: two decimals there. ISK and UGX have none here, HUF and TWD have two.
        ("ISK", 50_000, 500),
        ("UGX", 50_000, 500),
        ("HUF", 1_045, 1_045),
        ("TWD", 80_045, 80_045),
        ("EUR", 450, 450),
    ],
)
def test_an_amount_has_the_decimals_of_stripe(currency, theirs, amount):
    """The sum of money is the same, also in a further currency."""
    fixed = import_coupon(FIXED, currency=currency.lower(), amount_off=theirs)
    assert fixed["priceDiscount"] == {"amount": amount, "currency": currency, "currencyOptions": {}}
    options = {currency.lower(): {"amount_off": theirs}}
    further = import_coupon(FIXED, id="FURTHER", currency_options=options)
    assert further["priceDiscount"] == {"amount": 500, "currency": "USD", "currencyOptions": {currency: amount}}


def test_what_was_redeemed_counts_and_the_numbers_go_on_after_it():
    """Two of five redemptions are left, with the numbers 4 and 5, and the audit finds no gap."""
    voucher = import_coupon(times_redeemed=3, max_redemptions=5)
    answers = [redeem(code="jmt0wjud") for _ in range(3)]
    assert [answer["redemptionNumber"] for answer in answers] == [4, 5, None]
    assert answers[2]["reason"] == "max_redemptions_reached"
    after = retrieve(voucher)
    assert (after["redemptions"], after["retiredReason"]) == (5, "maxRedemptionsReached")


def test_an_exhausted_coupon_stays_exhausted():
    """The voucher is retired from the start, and a sweep changes nothing."""
    voucher = import_coupon(times_redeemed=5, max_redemptions=5, valid=False)
    assert (voucher["redemptions"], voucher["status"]) == (5, "retired")
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("maxRedemptionsReached", voucher["createdAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "max_redemptions_reached"
    assert task_named("expiry.sweep")(request={})["maxRedemptionsReached"] == 0
    assert retrieve(voucher) == voucher


@pytest.mark.parametrize("valid", [True, False])
def test_a_coupon_that_is_over_is_retired_as_expired(valid):
    """The voucher is retired at the end of the window, whether the coupon was exported before that or after."""
    voucher = import_coupon(redeem_by=LONG_AGO, valid=valid)
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("expired", voucher["restrictions"]["expiresAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "voucher_expired"


def test_a_coupon_that_is_not_valid_for_another_reason_is_retired_by_hand():
    """Such a coupon was withdrawn in Stripe."""
    voucher = import_coupon(valid=False, redeem_by=FAR_AHEAD, max_redemptions=5, times_redeemed=4)
    assert (voucher["retiredReason"], voucher["retiredAt"]) == ("manualAction", voucher["createdAt"])
    assert redeem(code="jMT0WJUD")["reason"] == "voucher_retired"


def test_a_coupon_imported_twice_is_one_voucher_with_the_first_answer():
    """Redemptions, the task id and the order of keys do not count."""
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
    """Every field of the object counts, even if a voucher does not store that field."""
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
    """The second coupon is full, so the voucher is retired and the code stays free."""
    answers = at_once([lambda: import_coupon(coupon)] * 4)
    assert all(answer == answers[0] for answer in answers)


def test_two_bodies_of_one_coupon_at_once_are_one_voucher_and_conflicts():
    """Any of them may win."""
    bodies = [{**DOCUMENTED, "times_redeemed": number, "max_redemptions": 3} for number in range(4)]
    answers = at_once([partial(import_coupon, body) for body in bodies])
    assert Counter(answer.get("reason") for answer in answers) == {None: 1, "idempotency_conflict": 3}


def test_a_coupon_and_a_request_id_of_the_same_name_have_nothing_to_do_with_each_other():
    """Request ids of callers and coupon ids are different keys."""
    import_coupon()
    assert create_voucher(requestId="jMT0WJUD", code="OTHER")["code"] == "OTHER"
    assert create_voucher(requestId="stripe.coupons.import:jMT0WJUD", code="ANOTHER")["code"] == "ANOTHER"


def test_a_coupon_whose_id_is_the_code_of_another_voucher_is_refused():
    """Case does not count. The error names the field as the coupon does."""
    create_voucher(code="JMT0WJUD")
    with pytest.raises(InvalidRequest) as refused:
        import_coupon()
    assert [error["field"] for error in refused.value.errors] == ["coupon.id"]


def test_a_coupon_that_is_over_is_imported_though_another_voucher_has_its_code():
    """The answer shows the code, but the code still names the other voucher."""
    other = create_voucher(code="JMT0WJUD")
    voucher = import_coupon(times_redeemed=5, max_redemptions=5, valid=False)
    assert (voucher["code"], voucher["retiredReason"]) == ("jMT0WJUD", "maxRedemptionsReached")
    assert redeem(code="jMT0WJUD")["voucher"] == other["id"]


def test_an_imported_coupon_is_seen_through_the_other_adapters():
    """Each adapter shows the same row in a different format."""
    voucher = import_coupon(FIXED, times_redeemed=2, max_redemptions=9, applies_to={"products": ["prod_a"]})
    theirs = task_named("gigs.vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (theirs["redemptions"], theirs["priceDiscount"]) == (2, {"amount": 500, "currency": "USD"})
    discount = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": voucher["id"]})
    assert (discount["redemptions_count"], discount["max_redemptions"], discount["products"]) == (2, 9, ["prod_a"])
    assert (discount["code"], discount["amount"], discount["currency"]) == ("jMT0WJUD", 500, "usd")
