"""Caps of vouchers: creating, showing and changing `maximumDiscount` and `budget`."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.invoices.budgets import FURTHER, TEN, change, given, grant, lines, spent
from tests.support.requests import apply, create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("cap", ["maximumDiscount", "budget"])
def test_a_voucher_shows_its_caps(cap):
    """A voucher without a cap shows null."""
    voucher = create_voucher(**{cap: FURTHER})
    assert voucher[cap] == FURTHER
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]}) == voucher
    assert create_voucher(**{cap: TEN})[cap] == {**TEN, "currencyOptions": {}}
    assert create_voucher()[cap] is None


@pytest.mark.parametrize("cap", ["maximumDiscount", "budget"])
@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"amount": 0, "currency": "USD"}, "amount"),
        ({"amount": 1, "currency": "XXX"}, "currency"),
        ({"amount": 1, "currency": "USD", "currencyOptions": {"USD": 1}}, "currencyOptions"),
        ({"amount": 1, "currency": "USD", "per": "month"}, "?"),
    ],
)
def test_an_invalid_cap_is_a_bad_field(cap, value, field):
    """The error names the field by its path."""
    with pytest.raises(InvalidRequest) as raised:
        create_voucher(**{cap: value})
    assert [each["field"] for each in raised.value.errors] == [f"{cap}.{field}"]


def test_caps_can_be_anything_before_the_first_redemption():
    """Caps are added, changed, removed, and given without currency options."""
    voucher = create_voucher(budget=FURTHER)
    changes = [
        ("budget", {"amount": 5, "currency": "JPY"}),
        ("budget", None),
        ("maximumDiscount", TEN),
        ("maximumDiscount", None),
        ("budget", TEN),
    ]
    for cap, value in changes:
        expected = value and {"currencyOptions": {}, **value}
        assert change(voucher, **{cap: value})[cap] == expected
    assert spent() == {"USD": 0}


def test_a_budget_is_raised_and_lowered_after_the_first_redemption():
    """The lowest budget is the spent amount."""
    voucher = grant(budget=FURTHER)
    apply(lines=lines(1_000))
    for amounts in ({"amount": 2_000, "currencyOptions": {"EUR": 800}}, {"amount": 500, "currencyOptions": {"EUR": 1}}):
        changed = change(voucher, budget={"currency": "USD", **amounts})
        assert changed["budget"] == {"currency": "USD", **amounts}
    assert given(apply()) == (0, ["budget_spent"])


def test_a_budget_is_never_set_below_the_spent_amount():
    """Each bad currency is named, and nothing is changed."""
    voucher = grant(budget=FURTHER)
    apply(lines=lines(1_000))
    apply(lines=lines(1_000), currency="EUR")
    with pytest.raises(InvalidRequest) as raised:
        change(voucher, budget={"amount": 499, "currency": "USD", "currencyOptions": {"EUR": 499}}, name="Other")
    message = "must not be below what is spent already"
    assert raised.value.errors == [
        {"field": "budget.currencyOptions.EUR", "message": message},
        {"field": "budget.amount", "message": message},
    ]
    assert (
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["name"] == "Ten percent"
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"maximumDiscount": {"amount": 1_001, "currency": "USD"}},
        {"maximumDiscount": None},
        {"budget": None},
        {"budget": TEN},
        {"budget": {"amount": 900, "currency": "EUR", "currencyOptions": {"USD": 1_000}}},
        {"budget": {**FURTHER, "currencyOptions": {"EUR": 900, "JPY": 1}}},
    ],
)
def test_a_maximum_and_the_currencies_of_a_budget_stay_after_the_first_redemption(fields):
    """Granted discounts depend on them."""
    voucher = grant(maximumDiscount=TEN, budget=FURTHER)
    answer = change(voucher, **fields)
    assert (answer["outcome"], answer["reason"]) == ("refused", "voucher_already_redeemed")


@pytest.mark.parametrize("cap", ["maximumDiscount", "budget"])
def test_a_cap_cannot_be_added_after_the_first_redemption(cap):
    """A discount that was granted without a cap has none."""
    assert change(grant(), **{cap: TEN})["reason"] == "voucher_already_redeemed"


def test_changing_something_else_leaves_the_caps():
    """The request has no caps."""
    voucher = grant(maximumDiscount=TEN, budget=FURTHER)
    changed = change(voucher, name="Other")
    assert (changed["maximumDiscount"], changed["budget"]) == (voucher["maximumDiscount"], voucher["budget"])
