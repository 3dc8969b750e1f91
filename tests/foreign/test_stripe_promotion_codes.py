"""Promotion codes of Stripe: codes of their coupon's voucher, with their own limits, each imported once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.stripe import FIXED, import_coupon
from tests.foreign.stripe_promotion_codes import DOCUMENTED, import_promotion, promotion, restricted
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

COUPON = "nVJYDOag"
LONG_AGO, FAR_AHEAD = 1_700_000_000, 4_070_908_800


def coupon(**changes: Any) -> dict[str, Any]:
    """Import the coupon of the documented promotion code."""
    return import_coupon(**{"id": COUPON, **changes})


def errors(**changes: Any) -> list[tuple[str, str]]:
    """Return the fields and the messages of a promotion code that is refused."""
    with pytest.raises(InvalidRequest) as refused:
        import_promotion(**changes)
    return [(each["field"], each["message"]) for each in refused.value.errors]


def codes(voucher: dict[str, Any]) -> list[dict[str, Any]]:
    """Return all codes of a voucher but its own."""
    body = {"project": "gigs", "voucher": voucher["id"], "status": ["available", "retired"]}
    items: list[dict[str, Any]] = task_named("codes.list")(request=body)["items"]
    return [each for each in items if each["code"] != voucher["code"]]


def test_the_documented_promotion_code_is_a_code_of_its_coupon():
    """The terms are those of the coupon."""
    voucher = coupon()
    code = import_promotion()
    assert (code["voucher"], code["code"], code["status"]) == (voucher["id"], "A1H1Q1MG", "available")
    assert [code[each] for each in ("customer", "maximumRedemptions", "expiresAt", "redemptions")] == [None] * 3 + [0]
    assert redeem(code="a1h1q1mg")["voucher"] == voucher["id"]
    assert codes(voucher) == [{**code, "redemptions": 1}]


@pytest.mark.parametrize(
    "named",
    [
        {"promotion": {"type": "coupon", "coupon": {**FIXED, "id": COUPON}}},
        {"promotion": None, "coupon": COUPON},
        {"promotion": None, "coupon": {**FIXED, "id": COUPON}},
    ],
)
def test_the_coupon_is_named_as_any_version_names_it(named):
    """By its id or expanded, in the newer field or in the older one."""
    voucher = coupon()
    assert import_promotion(**named)["voucher"] == voucher["id"]


def test_its_own_limits_come_over():
    """An expanded customer is the customer's id."""
    coupon()
    code = import_promotion(
        customer={"id": "cus_4QFJOjw2pOmAGJ", "object": "customer"}, expires_at=FAR_AHEAD, max_redemptions=5
    )
    assert code["expiresAt"] == datetime.fromtimestamp(FAR_AHEAD, UTC).isoformat()[:19] + "Z"
    assert (code["customer"], code["maximumRedemptions"]) == ("cus_4QFJOjw2pOmAGJ", 5)
    assert redeem(code="A1H1Q1MG")["reason"] == "code_not_for_customer"
    assert redeem(code="A1H1Q1MG", customer="cus_4QFJOjw2pOmAGJ")["outcome"] == "accepted"


def test_a_code_that_was_used_has_the_rest_of_its_redemptions():
    """Three of five were used there, so two are left here."""
    coupon(times_redeemed=3)
    assert import_promotion(max_redemptions=5, times_redeemed=3)["maximumRedemptions"] == 2
    reasons = [redeem(code="A1H1Q1MG")["reason"] for _ in range(3)]
    assert reasons == [None, None, "code_max_redemptions_reached"]


@pytest.mark.parametrize(
    ("changes", "reason", "refusal"),
    [
        ({"active": False}, "manualAction", "code_retired"),
        ({"active": False, "max_redemptions": 2, "times_redeemed": 2}, "manualAction", "code_retired"),
        ({"max_redemptions": 2, "times_redeemed": 2}, "manualAction", "code_retired"),
        ({"active": False, "expires_at": LONG_AGO}, "expired", "code_expired"),
        ({"expires_at": LONG_AGO}, "expired", "code_expired"),
    ],
)
def test_a_code_that_cannot_be_redeemed_there_is_retired_from_the_start(changes, reason, refusal):
    """Also if another code has its text: Stripe lets a new code have the text of an inactive one."""
    voucher = coupon()
    retired = import_promotion(**changes)
    assert (retired["status"], retired["retiredReason"]) == ("retired", reason)
    assert redeem(code="A1H1Q1MG")["reason"] == refusal
    active = import_promotion(id="promo_2")
    again = import_promotion(id="promo_3", **changes)
    assert {each["id"] for each in codes(voucher)} == {again["id"], active["id"], retired["id"]}
    assert redeem(code="A1H1Q1MG")["outcome"] == "accepted"


def test_a_promotion_code_imported_twice_is_one_code_as_it_is_now():
    """Whatever has happened to it here or there since."""
    voucher = coupon()
    first = import_promotion()
    redeem(code="A1H1Q1MG")
    later = {"times_redeemed": 7, "active": False}
    assert import_promotion(**later) == {**first, "redemptions": 1}
    task_named("codes.retire")(request={"project": "gigs", "code": first["id"]})
    assert import_promotion()["retiredReason"] == "manualAction"
    assert [each["id"] for each in codes(voucher)] == [first["id"]]


def test_two_imports_at_once_are_one_code():
    """Both get it."""
    coupon()
    both = at_once([import_promotion, import_promotion])
    assert both[0] == both[1]


def test_the_same_promotion_code_in_two_projects_is_two_codes():
    """Ids of codes are those of their project."""
    coupon()
    task_named("stripe.coupons.import")(request={"project": "other", "coupon": {**FIXED, "id": COUPON}})
    other = task_named("stripe.promotion_codes.import")(request={"project": "other", "promotion_code": promotion()})
    assert other["id"] != import_promotion()["id"]


def test_a_code_without_its_coupon_is_refused():
    """Coupons are imported first."""
    assert errors() == [("promotion_code.promotion.coupon", "must be a coupon that was imported before")]


def test_a_text_that_another_code_has_is_refused():
    """In Stripe, two customers may have codes with the same text. Here, a text names one code."""
    create_voucher(code="a1h1q1mg")
    coupon()
    message = "is already the code of a voucher that can still be redeemed"
    assert errors() == [("promotion_code.code", message)]


def test_a_limit_above_that_of_the_voucher_is_named_as_stripe_names_it():
    """The voucher may have changed here."""
    coupon(max_redemptions=4, redeem_by=FAR_AHEAD)
    assert errors(max_redemptions=5, expires_at=FAR_AHEAD + 1) == [
        ("promotion_code.max_redemptions", "must not exceed the voucher's maximumRedemptions"),
        ("promotion_code.expires_at", "must not be later than the voucher's expiresAt"),
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"promotion": None}, "promotion_code.coupon"),
        ({"promotion": {"type": "coupon", "coupon": None}}, "promotion_code.promotion.coupon"),
        ({"coupon": "another"}, "promotion_code.coupon"),
        ({"code": "a"}, "promotion_code.code"),
        ({"created": -1}, "promotion_code.created"),
        ({"customer_account": "acct_1"}, "promotion_code.customer_account"),
        ({"times_redeemed": -1}, "promotion_code.times_redeemed"),
        ({"unknown": 1}, "promotion_code.?"),
        (restricted(minimum_amount=5), "promotion_code.restrictions.minimum_amount_currency"),
        (
            restricted(
                minimum_amount=5, minimum_amount_currency="usd", currency_options={"eur": {"minimum_amount": 4}}
            ),
            "promotion_code.restrictions.currency_options",
        ),
    ],
)
def test_each_bad_field_is_named(changes, field):
    """As Stripe names it."""
    coupon()
    assert [name for name, _ in errors(**changes)] == [field]


FIRST_OF_50 = restricted(
    first_time_transaction=True,
    minimum_amount=5_000,
    minimum_amount_currency="usd",
    currency_options={"usd": {"minimum_amount": 5_000}},
)


def test_a_restricted_code_has_a_voucher_with_the_terms_of_its_coupon():
    """The coupon's own code stays without the restrictions."""
    voucher = coupon(percent_off=None, amount_off=500, currency="usd", redeem_by=FAR_AHEAD, metadata={"a": "b"})
    code = import_promotion(**FIRST_OF_50)
    own = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": code["voucher"]})
    changed = {"id", "createdAt", "code", "restrictions"}
    assert own["id"] != voucher["id"]
    assert {name: own[name] for name in own.keys() - changed} == {
        name: voucher[name] for name in voucher.keys() - changed
    }
    minimum = {"amount": 5_000, "currency": "USD", "on": "redemption"}
    assert own["restrictions"] == {**voucher["restrictions"], "firstPurchaseOnly": True, "minimumSubtotal": minimum}
    assert redeem(code="A1H1Q1MG", currency="USD", subtotal=5_000)["reason"] == "not_first_purchase"
    first = {"isFirstPurchase": True, "currency": "USD"}
    assert redeem(code="A1H1Q1MG", subtotal=4_999, **first)["reason"] == "minimum_subtotal_not_met"
    assert redeem(code="A1H1Q1MG", subtotal=5_000, **first)["outcome"] == "accepted"
    assert redeem(code=COUPON, currency="USD")["outcome"] == "accepted"


def test_codes_with_the_same_restrictions_share_a_voucher():
    """Imported together or not, and however the coupon's voucher has changed since."""
    voucher = coupon()
    first = import_promotion(**FIRST_OF_50)
    task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], "name": "Renamed"})
    second = import_promotion(id="promo_2", code="SECOND", **FIRST_OF_50)
    third = import_promotion(id="promo_3", code="THIRD", **restricted(first_time_transaction=True))
    assert first["voucher"] == second["voucher"] != third["voucher"]
    assert voucher["id"] not in {first["voucher"], third["voucher"]}


@pytest.mark.parametrize("zero", [restricted(minimum_amount=0, minimum_amount_currency="usd"), {"restrictions": {}}])
def test_a_minimum_of_nothing_is_no_restriction(zero):
    """The code belongs to the coupon's voucher."""
    assert coupon()["id"] == import_promotion(**zero)["voucher"]


def test_a_restricted_code_of_a_limited_coupon_is_refused():
    """Two vouchers would have twice the redemptions of the coupon."""
    coupon(max_redemptions=9)
    message = (
        "needs a voucher of its own, which cannot share the maximumRedemptions or the budget of the coupon's voucher"
    )
    assert errors(**FIRST_OF_50) == [("promotion_code.restrictions", message)]
    assert import_promotion()["code"] == DOCUMENTED["code"]


def test_a_minimum_has_the_decimals_of_stripe():
    """ISK has two decimals there, which are always 00."""
    coupon()
    bad = restricted(minimum_amount=50_050, minimum_amount_currency="isk")
    assert [field for field, _ in errors(**bad)] == ["promotion_code.restrictions.minimum_amount"]
    code = import_promotion(**restricted(minimum_amount=50_000, minimum_amount_currency="isk"))
    own = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": code["voucher"]})
    assert own["restrictions"]["minimumSubtotal"] == {"amount": 500, "currency": "ISK", "on": "redemption"}


def test_a_restricted_code_of_a_withdrawn_coupon_is_withdrawn():
    """Its voucher is retired as the coupon's is."""
    coupon(valid=False)
    assert import_promotion(**FIRST_OF_50)["retiredReason"] == "voucherManuallyRetired"
    assert redeem(code="A1H1Q1MG")["reason"] == "voucher_retired"


def test_a_minimum_beside_that_of_the_coupons_voucher_is_refused():
    """The voucher was changed here. Without a minimum, the code takes over that of the voucher."""
    voucher = coupon()
    minimum = {"amount": 100, "currency": "USD"}
    task_named("vouchers.update")(
        request={"project": "gigs", "voucher": voucher["id"], "restrictions": {"minimumSubtotal": minimum}}
    )
    message = "needs a voucher of its own, and the coupon's voucher has a minimumSubtotal already"
    assert errors(**FIRST_OF_50) == [("promotion_code.restrictions", message)]
    code = import_promotion(**restricted(first_time_transaction=True))
    own = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": code["voucher"]})
    assert own["restrictions"]["minimumSubtotal"] == {**minimum, "on": "redemption"}
