"""`billing.apply` with caps: the maximum per invoice, and the budget of a voucher."""

import pytest

from tests.invoices.budgets import FURTHER, TEN, change, given, grant, lines, spent
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

MONTHS = [
    {"start": start, "end": end}
    for start, end in (("2027-01-01", "2027-02-01"), ("2027-02-01", "2027-03-01"), ("2027-03-01", "2027-04-01"))
]


def test_the_maximum_is_for_each_invoice():
    """Half of 80.00 is capped at 10.00, half of 15.00 is not. Two invoices of a period have a maximum each."""
    grant(maximumDiscount=TEN)
    amounts = [apply(lines=lines(amount), period=MONTHS[0])["discountTotal"] for amount in (8_000, 1_500, 8_000)]
    assert amounts == [1_000, 750, 1_000]


def test_a_capped_amount_is_split_over_the_lines():
    """10.00 are split over lines of 60.00 and 20.00."""
    grant(maximumDiscount=TEN)
    answer = apply(lines=[{"id": "base", "amount": 6_000}, {"id": "seats", "amount": 2_000}])
    assert answer["discounts"][0]["lines"] == {"base": 750, "seats": 250}


def test_the_maximum_is_that_of_the_invoices_currency():
    """A maximum that does not name the invoice's currency allows nothing: nobody has said how much it may be."""
    grant(maximumDiscount=FURTHER)
    answers = [apply(currency=currency, period=MONTHS[0]) for currency in ("USD", "EUR", "JPY")]
    assert [given(each) for each in answers] == [(1_000, []), (900, []), (0, ["currency_mismatch"])]


def test_a_balance_lasts_longer_with_a_maximum():
    """Each invoice gets at most 10.00 of the 25.00."""
    grant(priceDiscount={"amount": 2_500, "currency": "USD"}, carryOver=True, maximumDiscount=TEN)
    discounts = [apply(period=each)["discounts"][0] for each in MONTHS]
    assert [(each["amount"], each["debitBalance"]) for each in discounts] == [(1_000, 1_500), (1_000, 500), (500, 0)]


def test_a_budget_gives_its_rest_and_then_nothing():
    """Two subscriptions share 30.00: the first takes 20.00, the second the rest of 10.00."""
    voucher = grant(budget={"amount": 3_000, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    answers = [apply(subscription=each, lines=lines(4_000)) for each in ("sub_1", "sub_2", "sub_1")]
    assert [given(each) for each in answers] == [(2_000, []), (1_000, []), (0, ["budget_spent"])]
    assert spent() == {"USD": 3_000}


def test_the_invoices_of_a_batch_share_the_budget():
    """The invoices take from the budget in the order sent."""
    voucher = grant(budget={"amount": 5_000, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    sent = [invoice(subscription=each, lines=lines(4_000)) for each in ("sub_2", "sub_1", "sub_2", "sub_1")]
    items = task_named("billing.apply_many")(request={"invoices": sent})["items"]
    assert [given(each) for each in items] == [(2_000, []), (2_000, []), (1_000, []), (0, ["budget_spent"])]
    assert spent() == {"USD": 5_000}


def test_each_currency_has_a_budget_of_its_own():
    """In a currency that the budget does not name, nothing is given."""
    grant(budget=FURTHER)
    answers = [apply(currency=currency) for currency in ("USD", "USD", "EUR", "JPY")]
    found = [(1_000, []), (0, ["budget_spent"]), (900, []), (0, ["currency_mismatch"])]
    assert [given(each) for each in answers] == found
    assert spent() == {"USD": 1_000, "EUR": 900}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trial": True}, "trial"),
        ({"period": {"start": "2020-01-01", "end": "2020-02-01"}}, "before_start"),
        ({"lines": [{"id": "base", "amount": 1, "product": "prod_b"}]}, "product_not_eligible"),
        ({"currency": "EUR"}, "currency_mismatch"),
        ({}, "budget_spent"),
        ({"lines": [{"id": "base", "amount": -1, "product": "prod_a"}]}, "budget_spent"),
    ],
)
def test_budget_spent_comes_before_nothing_left(fields, reason):
    """`budget_spent` comes after every other reason."""
    voucher = create_voucher(budget={"amount": 1, "currency": "USD"}, restrictions={"products": ["prod_a"]})
    redeem(voucher=voucher["id"], subscription="sub_1", products=["prod_a"])
    eligible = [{"id": "base", "amount": 8_000, "product": "prod_a"}]
    assert given(apply(lines=eligible)) == (1, [])
    assert given(apply(**{"lines": eligible, **fields})) == (0, [reason])


def test_a_spent_budget_uses_up_no_once():
    """The discount is applied when the budget is raised."""
    voucher = grant(budget=TEN, recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    assert given(apply()) == (1_000, [])
    assert given(apply(subscription="sub_2")) == (0, ["budget_spent"])
    change(voucher, budget={"amount": 1_500, "currency": "USD"})
    assert given(apply(subscription="sub_2")) == (500, [])


def test_a_replayed_invoice_spends_nothing_more():
    """The answer is the same, and another body under its id spends nothing either."""
    grant(budget={"amount": 6_000, "currency": "USD"})
    request = invoice()
    first = task_named("billing.apply")(request=request)
    assert task_named("billing.apply")(request=request) == first
    assert task_named("billing.apply")(request={**request, "currency": "EUR"})["outcome"] == "refused"
    assert spent() == {"USD": 4_000}


def test_a_batch_that_repeats_an_invoice_spends_once():
    """The effect is that of a redelivery."""
    grant(budget={"amount": 6_000, "currency": "USD"})
    request = invoice()
    first, again = task_named("billing.apply_many")(request={"invoices": [request, request]})["items"]
    assert first == again
    assert spent() == {"USD": 4_000}


def test_the_smaller_of_two_caps_decides():
    """Each invoice gets at most 10.00, until 25.00 are given."""
    grant(maximumDiscount=TEN, budget={"amount": 2_500, "currency": "USD"})
    assert [apply()["discountTotal"] for _ in range(4)] == [1_000, 1_000, 500, 0]


def test_later_discounts_apply_to_the_rest_that_a_capped_discount_left():
    """Half is capped at 10.00, then a tenth of the other 70.00 follows."""
    grant(maximumDiscount=TEN)
    redeem(voucher=create_voucher()["id"], subscription="sub_1")
    assert [each["amount"] for each in apply()["discounts"]] == [1_000, 700]


def test_only_a_batch_with_a_budget_sends_two_more_statements_at_any_size():
    """One statement locks the budgets, and another writes the spent amounts."""
    redeem(voucher=create_voucher(maximumDiscount=TEN)["id"], subscription="sub_none")
    for index in range(20):
        voucher = create_voucher(budget={"amount": 999_999, "currency": "USD"})
        redeem(**redemption(voucher=voucher["id"], subscription=f"sub_{index}"))
    with counted() as without:
        apply(subscription="sub_none")
    with counted() as one:
        apply(subscription="sub_0")
    with counted() as many:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index % 20}") for index in range(500)]}
        )
    assert many == one
    assert len(one) == len(without) + 2


def test_no_statement_about_budgets_scans_a_table():
    """The statements lock, spend and change budgets."""
    granted = [grant(subscription=f"sub_{index}", budget=FURTHER) for index in range(40)]
    with explained() as plans:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(40)]}
        )
        change(granted[0], budget={**FURTHER, "amount": 2_000})
    assert len([plan for plan in plans if "budgets" in plan]) >= 3
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
