"""`billing.preview` with `redeem`: the decision on each voucher, as if the accepted ones before it were redeemed."""

import pytest

from tests.invoices.previews import grant, plan, preview, reasons, totals
from tests.invoices.purchases import buy
from tests.redemptions.outcomes import retire
from tests.support.holds import lapse, reserve, validate
from tests.support.requests import add_codes, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")

FIVE = {"amount": 500, "currency": "USD"}
SINCE = {"startsOn": "2027-01-01"}
LONG_AGO, FAR_AHEAD = "2026-01-01T00:00:00Z", "2090-01-01T00:00:00Z"


def test_each_voucher_is_answered_as_validate_answers():
    """The fields that validate needs are those of the plan."""
    voucher = create_voucher(
        code="SUMMER",
        priceDiscount=FIVE,
        restrictions={"products": ["prod_a"], "minimumSubtotal": {"amount": 8_000, "currency": "USD"}},
    )
    lines = [{"id": "base", "amount": 9_000, "product": "prod_a"}, {"id": "credit", "amount": -1_000}]
    who = {"customer": "cus_1", "subscription": "sub_1"}
    answer = preview(**who, plan=plan(lines=lines), redeem=[{"code": "summer"}, {"code": "Unknown"}])
    purchase = {**who, "products": ["prod_a"], "currency": "USD", "subtotal": 8_000}
    validated = [validate(**purchase, code=code) for code in ("summer", "Unknown")]
    assert {name: answer["redeem"][0][name] for name in ("object", "voucher", "reason")} == {
        "object": "validation",
        "voucher": voucher["id"],
        "reason": None,
    }
    assert reasons(answer) == [None, "voucher_not_found"]
    for found, expected in zip(answer["redeem"], validated, strict=True):
        assert found == {**expected, "decidedAt": found["decidedAt"]}


def test_the_plan_can_fall_short_of_a_restriction():
    """Of the products, the currency and the subtotal, which a credit reduces."""
    create_voucher(code="PRODUCT", restrictions={"products": ["prod_a"]})
    create_voucher(code="CURRENCY", priceDiscount={"amount": 500, "currency": "EUR"})
    create_voucher(code="MINIMUM", restrictions={"minimumSubtotal": {"amount": 8_001, "currency": "USD"}})
    codes = ("PRODUCT", "CURRENCY", "MINIMUM")
    lines = [{"id": "base", "amount": 9_000}, {"id": "credit", "amount": -1_000}]
    answer = buy(*({"code": each} for each in codes), plan=plan(lines=lines))
    assert reasons(answer) == ["product_not_eligible", "currency_mismatch", "minimum_subtotal_not_met"]
    assert totals(answer) == [0, 0, 0, 0]
    assert answer["fullPriceFrom"] == "2027-01-01"


def test_a_plan_of_excluded_products_only_is_not_eligible():
    """A plan with another line, with or without a product, is eligible for that line."""
    voucher = create_voucher(restrictions={"excludedProducts": ["prod_x"]})
    excluded, other = {"id": "x", "amount": 1_000, "product": "prod_x"}, {"id": "a", "amount": 500, "product": "prod_a"}
    answers = [
        buy({"voucher": voucher["id"], **SINCE}, plan=plan(lines=lines)) for lines in ([excluded], [excluded, other])
    ]
    assert [(reasons(each), totals(each)) for each in answers] == [
        (["product_not_eligible"], [0] * 4),
        ([None], [50] * 4),
    ]


def test_a_first_purchase_is_one_that_says_so():
    """Each voucher of the preview says so by itself, as its redemption does."""
    first, second = (create_voucher(restrictions={"firstPurchaseOnly": True})["id"] for _ in range(2))
    answer = buy({"voucher": first, **SINCE}, {"voucher": second, "isFirstPurchase": True, **SINCE}, periods=1)
    assert (reasons(answer), totals(answer)) == (["not_first_purchase", None], [800])


def test_a_voucher_named_twice_is_already_applied():
    """By its id and two of its codes. The first counts."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "FRIEND"})
    answer = buy({"code": "FRIEND", **SINCE}, {"voucher": voucher["id"]}, {"code": "SUMMER"}, periods=1)
    assert reasons(answer) == [None, "already_applied", "already_applied"]
    assert [each["code"] for each in answer["redeem"]] == ["FRIEND", "SUMMER", "SUMMER"]
    assert totals(answer) == [800]


def test_a_voucher_that_runs_already_is_refused_and_shown_once():
    """The discount that runs keeps its id."""
    granted = grant()
    answer = buy({"voucher": granted["voucher"]}, periods=1)
    assert reasons(answer) == ["already_applied"]
    assert [each["discount"] for each in answer["periods"][0]["discounts"]] == [granted["discount"]]


def test_a_subscription_has_at_most_20_discounts():
    """Two run, so the last two of twenty vouchers are one discount too many."""
    for _ in range(2):
        grant()
    vouchers = [create_voucher()["id"] for _ in range(20)]
    answer = buy(*({"voucher": each} for each in vouchers), periods=1)
    assert reasons(answer) == [None] * 18 + ["discount_limit_reached"] * 2


def test_a_refused_voucher_leaves_room_for_the_next():
    """Nineteen discounts run. An unknown code takes no place."""
    for _ in range(19):
        grant()
    first, second = (create_voucher()["id"] for _ in range(2))
    answer = buy({"code": "UNKNOWN"}, {"voucher": first}, {"voucher": second}, periods=1)
    assert reasons(answer) == ["voucher_not_found", None, "discount_limit_reached"]


@pytest.mark.parametrize(
    ("restrictions", "limits", "expected"),
    [
        ({"maximumRedemptions": 1}, {}, "max_redemptions_reached"),
        ({}, {"maximumRedemptions": 1}, "code_max_redemptions_reached"),
        ({"maximumRedemptionsPerCustomer": 1}, {}, "customer_limit_reached"),
        ({"startsAt": FAR_AHEAD}, {}, "voucher_not_started"),
        ({"expiresAt": LONG_AGO}, {}, "voucher_expired"),
        ({}, {"expiresAt": LONG_AGO}, "code_expired"),
        ({}, {"customer": "cus_2"}, "code_not_for_customer"),
    ],
)
def test_limits_and_ends_of_vouchers_and_codes_are_judged(restrictions, limits, expected):
    """An end of its own is the first reason. A limit of one is reached by the same code before it."""
    voucher = create_voucher(restrictions=restrictions)
    add_codes(voucher, {"code": "FRIEND", **limits})
    first = None if "aximum" in str((restrictions, limits)) else expected
    answer = buy({"code": "FRIEND"}, {"code": "friend"}, periods=1)
    assert reasons(answer) == [first, expected]


def test_a_voucher_that_others_have_filled_or_that_was_retired_is_refused():
    """The one is full, the other was retired by hand."""
    full, retired = create_voucher(restrictions={"maximumRedemptions": 1}), create_voucher()
    redeem(voucher=full["id"])
    retire(retired)
    answer = buy({"voucher": full["id"]}, {"voucher": retired["id"]}, periods=1)
    assert reasons(answer) == ["max_redemptions_reached", "voucher_retired"]


def test_places_that_others_hold_count():
    """Until the hold has lapsed. A customer's own hold gives way."""
    others, own = (create_voucher(restrictions={"maximumRedemptions": 1})["id"] for _ in range(2))
    reserve(voucher=others)
    reserve(voucher=own, customer="cus_1", subscription="sub_1")
    vouchers = [{"voucher": others}, {"voucher": own}]
    answer = preview(customer="cus_1", subscription="sub_1", redeem=vouchers)
    assert [(each["reason"], each["retryable"]) for each in answer["redeem"]] == [
        ("fully_reserved", True),
        (None, False),
    ]
    lapse()
    assert reasons(buy(*vouchers, periods=1)) == [None, None]


def test_a_stamp_card_cannot_be_redeemed_by_a_preview():
    """Only a completed card grants the voucher."""
    card = create_voucher(stampCard={"stamps": 2})
    assert reasons(buy({"voucher": card["id"]}, periods=1)) == ["stamp_card_incomplete"]


def test_a_customer_without_a_subscription_sees_the_price():
    """The customer's own limit and codes count."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    add_codes(voucher, {"code": "FOR-ANNA", "customer": "cus_anna"})
    codes = [{"code": "FOR-ANNA"}]
    answer = preview(customer="cus_anna", redeem=codes)
    assert {name: answer["redeem"][0][name] for name in ("customer", "subscription", "requestId")} == {
        "customer": "cus_anna",
        "subscription": None,
        "requestId": None,
    }
    assert (answer["subscription"], reasons(answer), totals(answer)) == (None, [None], [800] * 4)
    redeem(voucher=voucher["id"], customer="cus_anna")
    assert reasons(preview(customer="cus_anna", redeem=codes)) == ["customer_limit_reached"]


def test_without_a_customer_the_answer_is_that_for_a_new_customer():
    """Who has redeemed nothing and holds nothing, and to whom no code belongs."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    add_codes(voucher, {"code": "FOR-ANNA", "customer": "cus_anna"})
    redeem(voucher=voucher["id"], customer="cus_1")
    answer = preview(redeem=[{"code": "FOR-ANNA"}, {"voucher": voucher["id"]}, {"voucher": voucher["id"]}])
    assert reasons(answer) == ["code_not_for_customer", None, "customer_limit_reached"]
    assert {each["customer"] for each in answer["redeem"]} == {None}
    assert totals(answer) == [800] * 4


def test_another_projects_code_is_unknown():
    """Codes belong to a project."""
    create_voucher(code="SUMMER", project="other")
    assert reasons(preview(redeem=[{"code": "SUMMER"}])) == ["voucher_not_found"]


def test_lines_may_sum_up_to_more_than_a_subtotal_of_a_redemption():
    """Each line has the largest amount."""
    voucher = create_voucher(restrictions={"minimumSubtotal": {"amount": 999_999_999_999, "currency": "USD"}})
    lines = [{"id": str(number), "amount": 999_999_999_999} for number in range(3)]
    assert reasons(preview(plan=plan(lines=lines), redeem=[{"voucher": voucher["id"]}])) == [None]
