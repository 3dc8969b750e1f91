"""Update a voucher while places are held: terms that a hold has promised are fixed."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.holds import confirm, lapse, reserve
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def update(voucher: dict, **fields) -> dict:
    """Update a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def test_money_terms_are_fixed_while_a_place_is_held():
    """They can be changed after the hold has lapsed, swept or not."""
    voucher = create_voucher()
    reserve(voucher=voucher["id"])
    assert update(voucher, priceDiscountPercentage=5)["reason"] == "voucher_held"
    lapse()
    assert update(voucher, priceDiscountPercentage=5)["priceDiscountPercentage"] == 5


@pytest.mark.parametrize("redeemed", [False, True])
def test_products_are_fixed_while_a_place_is_held(redeemed):
    """The discount is for the products that the customer buys. After the confirmation they can be changed again."""
    voucher = create_voucher(restrictions={"products": ["prod_a", "prod_c"]})
    if redeemed:
        redeem(voucher=voucher["id"], products=["prod_a"])
    hold = reserve(voucher=voucher["id"], products=["prod_a"], subscription="sub_1")
    for products in (["prod_b"], ["prod_a"], None):
        assert update(voucher, restrictions={"products": products})["reason"] == "voucher_held"
    assert update(voucher, restrictions={"products": ["prod_c", "prod_a"]})["status"] == "available"
    confirm(hold)
    assert update(voucher, restrictions={"products": ["prod_b"]})["restrictions"]["products"] == ["prod_b"]
    lines = [{"id": "base", "amount": 8000, "product": "prod_a"}]
    assert apply(subscription="sub_1", lines=lines)["discountTotal"] == 800


def test_excluded_products_are_fixed_while_a_place_is_held():
    """Their order is no term. After the confirmation they can be changed, and the discount keeps its own."""
    voucher = create_voucher(restrictions={"excludedProducts": ["prod_b", "prod_c"]})
    hold = reserve(voucher=voucher["id"], products=["prod_a"], subscription="sub_1")
    for excluded in (["prod_a"], ["prod_b"], None):
        assert update(voucher, restrictions={"excludedProducts": excluded})["reason"] == "voucher_held"
    assert update(voucher, restrictions={"excludedProducts": ["prod_c", "prod_b"]})["status"] == "available"
    confirm(hold)
    assert update(voucher, restrictions={"excludedProducts": ["prod_a"]})["restrictions"]["excludedProducts"] == [
        "prod_a"
    ]
    lines = [{"id": each, "amount": 8000, "product": each} for each in ("prod_a", "prod_b")]
    assert apply(subscription="sub_1", lines=lines)["discounts"][0]["lines"] == {"prod_a": 800}


def test_a_redemption_is_the_reason_even_if_a_place_is_held():
    """The terms stay fixed after the hold has ended."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"])
    reserve(voucher=voucher["id"])
    assert update(voucher, priceDiscountPercentage=5)["reason"] == "voucher_already_redeemed"


def test_a_budget_comes_goes_and_changes_currency_only_while_nothing_is_held():
    """As the other terms that a discount copies. The amount of a budget can always be changed."""
    ten, euro = {"amount": 1_000, "currency": "USD"}, {"amount": 1_000, "currency": "EUR"}
    voucher, other = create_voucher(budget=ten), create_voucher()
    for each in (voucher, other):
        reserve(voucher=each["id"])
    changes: list[tuple[dict, dict]] = [
        (voucher, {"budget": None}),
        (voucher, {"budget": euro}),
        (other, {"budget": ten}),
    ]
    changes += [(voucher, {"maximumDiscount": ten}), (voucher, {"maximumDiscountInAll": ten})]
    changes += [(voucher, {"budget": {**ten, "currencyOptions": {"EUR": 1}}})]
    assert [update(each, **change).get("reason") for each, change in changes] == ["voucher_held"] * 6
    assert update(voucher, budget={"amount": 1, "currency": "USD"})["budget"]["amount"] == 1
    lapse()
    assert [update(each, **change).get("reason") for each, change in changes] == [None] * 6


def test_a_limit_is_never_set_below_the_places_held():
    """Nor below the places that are redeemed and held together."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"])
    reserve(voucher=voucher["id"])
    with pytest.raises(InvalidRequest) as error:
        update(voucher, restrictions={"maximumRedemptions": 1})
    assert [each["field"] for each in error.value.errors] == ["restrictions.maximumRedemptions"]
    assert update(voucher, restrictions={"maximumRedemptions": 2})["status"] == "available"
    lapse()
    assert update(voucher, restrictions={"maximumRedemptions": 1})["retiredReason"] == "maxRedemptionsReached"
