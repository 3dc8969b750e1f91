"""Update a voucher that was redeemed: the money terms are fixed, and everything else can change."""

import pytest

from tests.support.instants import in_minutes
from tests.support.requests import apply, create_voucher, redeem
from tests.vouchers.calls import FIXED, LATER, MONTHS, PAST, errors, retrieve, update

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    "fields",
    [
        {"priceDiscount": {**FIXED, "amount": 501}},
        {"priceDiscount": {**FIXED, "currency": "EUR"}},
        {"priceDiscount": {**FIXED, "currencyOptions": {"EUR": 5}}},
        {"priceDiscountPercentage": 10},
        {"recurrence": {"type": "forever"}},
        {"recurrence": {**MONTHS, "durationInMonths": 4}},
        {"recurrence": {"type": "repeating", "durationInCycles": 3}},
        {"carryOver": True},
        {"maximumDiscountInAll": FIXED},
        {"stampCard": {"stamps": 5}},
        {"name": "Another", "recurrence": {"type": "once"}, "requestId": "r1"},
    ],
)
def test_money_terms_and_recurrence_are_refused_after_the_first_redemption(fields):
    """The whole update is refused and nothing is written. The refusal is stored like any other answer."""
    voucher = create_voucher(priceDiscount=FIXED, recurrence=MONTHS)["id"]
    redeem(voucher=voucher, currency="USD")
    before = retrieve(voucher)
    refusal = {
        "object": "voucher",
        "id": voucher,
        "project": "gigs",
        "requestId": fields.get("requestId"),
        "outcome": "refused",
        "reason": "voucher_already_redeemed",
    }
    assert update(voucher, **fields) == refusal == update(voucher, **fields)
    assert retrieve(voucher) == before


def test_the_currency_that_is_shown_is_a_money_term():
    """An update that swaps the currencies is refused, even if all amounts stay the same."""
    voucher = create_voucher(priceDiscount={**FIXED, "currencyOptions": {"EUR": 400}})["id"]
    redeem(voucher=voucher, currency="USD")
    turned = {"amount": 400, "currency": "EUR", "currencyOptions": {"USD": 500}}
    assert update(voucher, priceDiscount=turned)["reason"] == "voucher_already_redeemed"


def test_money_terms_and_recurrence_change_before_the_first_redemption():
    """A refused redemption does not count. The discount of the next redemption has the new terms."""
    voucher = create_voucher(priceDiscount=FIXED, recurrence=MONTHS, restrictions={"startsAt": in_minutes(60)})["id"]
    assert redeem(voucher=voucher, currency="USD")["outcome"] == "refused"
    answer = update(voucher, priceDiscountPercentage=50, recurrence={"type": "once"}, restrictions={"startsAt": None})
    assert (answer["priceDiscountPercentage"], answer["recurrence"]["type"]) == (50, "once")
    redeem(voucher=voucher, subscription="sub_1")
    assert apply(subscription="sub_1")["discountTotal"] == 4000


def test_the_same_terms_as_they_stand_pass_after_the_first_redemption():
    """They change nothing, and the other fields of the update are changed."""
    voucher = create_voucher(priceDiscount={**FIXED, "currencyOptions": {"EUR": 4, "CHF": 5}}, recurrence=MONTHS)["id"]
    redeem(voucher=voucher, currency="USD")
    same = {**FIXED, "currencyOptions": {"CHF": 5, "EUR": 4}}
    assert update(voucher, name="Another", priceDiscount=same, recurrence=MONTHS)["name"] == "Another"


def test_all_the_rest_changes_after_the_first_redemption():
    """Name, code, metadata, window, limits, products and minimum can be changed."""
    voucher = create_voucher(code="SUMMER")["id"]
    redeem(voucher=voucher)
    restrictions = {
        "startsAt": PAST,
        "expiresAt": LATER,
        "maximumRedemptions": 2,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a"],
        "excludedProducts": ["prod_b"],
        "firstPurchaseOnly": True,
        "minimumSubtotal": {"amount": 1, "currency": "USD", "on": "redemption"},
    }
    answer = update(voucher, name="n", code="WINTER", metadata={"a": 1}, restrictions=restrictions)
    assert (answer["name"], answer["code"], answer["metadata"]) == ("n", "WINTER", {"a": 1})
    assert answer["restrictions"] == restrictions
    assert redeem(code="SUMMER")["reason"] == "code_retired"
    assert (
        redeem(code="winter", products=["prod_a"], currency="USD", subtotal=1, isFirstPurchase=True)["outcome"]
        == "accepted"
    )


def test_limits_and_dates_count_from_the_update_on():
    """Earlier redemptions stay, even if the new restrictions would refuse them."""
    voucher = create_voucher()["id"]
    for _ in range(2):
        assert redeem(voucher=voucher, customer="cus_1")["outcome"] == "accepted"
    update(voucher, restrictions={"maximumRedemptionsPerCustomer": 1})
    assert redeem(voucher=voucher, customer="cus_1")["reason"] == "customer_limit_reached"
    update(voucher, restrictions={"startsAt": in_minutes(60)})
    assert redeem(voucher=voucher)["reason"] == "voucher_not_started"


def test_the_limit_is_never_below_what_is_redeemed():
    """Every bad field is reported at once."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "maximumRedemptions": 5})["id"]
    redeem(voucher=voucher), redeem(voucher=voucher)
    restrictions = {"maximumRedemptions": 1, "expiresAt": PAST}
    assert errors(voucher, restrictions=restrictions) == ["restrictions.maximumRedemptions", "restrictions.expiresAt"]
