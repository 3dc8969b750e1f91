"""Caps: the most on one invoice, and the most that a voucher gives in all."""

import pytest
from sqlalchemy import select

from models.vouchers.budget import BUDGETS
from tasks.wire.errors import InvalidRequest
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

TEN = {"amount": 1_000, "currency": "USD"}
FURTHER = {"amount": 1_000, "currency": "USD", "currencyOptions": {"EUR": 900}}
MONTHS = [
    {"start": start, "end": end}
    for start, end in (("2027-01-01", "2027-02-01"), ("2027-02-01", "2027-03-01"), ("2027-03-01", "2027-04-01"))
]


def grant(*, subscription: str = "sub_1", **fields) -> dict:
    """This function will redeem a new voucher, of 50 % unless said otherwise."""
    price = {} if "priceDiscount" in fields else {"priceDiscountPercentage": 50}
    voucher = create_voucher(**price, **fields)
    redeem(voucher=voucher["id"], subscription=subscription, currency="USD")
    return voucher


def lines(amount: int) -> list[dict]:
    """This function will return the one line of an invoice."""
    return [{"id": "base", "amount": amount}]


def change(voucher: dict, **fields) -> dict:
    """This function will update a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def spent() -> dict[str, int]:
    """This function will return what stands as spent, by currency."""
    with transaction() as session:
        return dict(session.execute(select(BUDGETS.c.currency, BUDGETS.c.spent_minor)).all())


def given(answer: dict) -> tuple[int, list[str]]:
    """This function will return what an invoice got, and why it did not get more."""
    return answer["discountTotal"], [each["reason"] for each in answer["skipped"]]


@pytest.mark.parametrize("cap", ["maximumDiscount", "budget"])
def test_a_voucher_shows_its_caps(cap):
    """And that it has none."""
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
        ({"amount": 1, "currency": "USD", "per": "month"}, "per"),
    ],
)
def test_a_cap_without_sense_is_a_bad_field(cap, value, field):
    """By its path."""
    with pytest.raises(InvalidRequest) as raised:
        create_voucher(**{cap: value})
    assert [each["field"] for each in raised.value.errors] == [f"{cap}.{field}"]


def test_the_maximum_is_for_each_invoice():
    """Half of 80.00 is 40.00, of which 10.00; half of 15.00 is 7.50; and two invoices of a period are two."""
    grant(maximumDiscount=TEN)
    amounts = [apply(lines=lines(amount), period=MONTHS[0])["discountTotal"] for amount in (8_000, 1_500, 8_000)]
    assert amounts == [1_000, 750, 1_000]


def test_what_the_maximum_takes_is_split_over_the_lines():
    """As any amount is: 10.00 over 60.00 and 20.00."""
    grant(maximumDiscount=TEN)
    answer = apply(lines=[{"id": "base", "amount": 6_000}, {"id": "seats", "amount": 2_000}])
    assert answer["discounts"][0]["lines"] == {"base": 750, "seats": 250}


def test_the_maximum_is_that_of_the_invoices_currency():
    """And where it names none, nothing is given: nobody has said how much it may be."""
    grant(maximumDiscount=FURTHER)
    answers = [apply(currency=currency, period=MONTHS[0]) for currency in ("USD", "EUR", "JPY")]
    assert [given(each) for each in answers] == [(1_000, []), (900, []), (0, ["currency_mismatch"])]


def test_a_balance_lasts_longer_with_a_maximum():
    """25.00, of which each invoice gets 10.00 at most."""
    grant(priceDiscount={"amount": 2_500, "currency": "USD"}, carryOver=True, maximumDiscount=TEN)
    discounts = [apply(period=each)["discounts"][0] for each in MONTHS]
    assert [(each["amount"], each["debitBalance"]) for each in discounts] == [(1_000, 1_500), (1_000, 500), (500, 0)]


def test_a_budget_gives_what_is_left_and_then_nothing():
    """30.00 over two subscriptions: 20.00, the 10.00 that are left, and nothing."""
    voucher = grant(budget={"amount": 3_000, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    answers = [apply(subscription=each, lines=lines(4_000)) for each in ("sub_1", "sub_2", "sub_1")]
    assert [given(each) for each in answers] == [(2_000, []), (1_000, []), (0, ["budget_spent"])]
    assert spent() == {"USD": 3_000}


def test_the_invoices_of_a_batch_share_the_budget():
    """In the order sent."""
    voucher = grant(budget={"amount": 5_000, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    sent = [invoice(subscription=each, lines=lines(4_000)) for each in ("sub_2", "sub_1", "sub_2", "sub_1")]
    items = task_named("billing.apply_many")(request={"invoices": sent})["items"]
    assert [given(each) for each in items] == [(2_000, []), (2_000, []), (1_000, []), (0, ["budget_spent"])]
    assert spent() == {"USD": 5_000}


def test_each_currency_has_a_budget_of_its_own():
    """And one that is not named has none to give."""
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
def test_that_the_budget_is_spent_comes_before_that_nothing_is_left(fields, reason):
    """And after every other reason."""
    voucher = create_voucher(budget={"amount": 1, "currency": "USD"}, restrictions={"products": ["prod_a"]})
    redeem(voucher=voucher["id"], subscription="sub_1", products=["prod_a"])
    eligible = [{"id": "base", "amount": 8_000, "product": "prod_a"}]
    assert given(apply(lines=eligible)) == (1, [])
    assert given(apply(**{"lines": eligible, **fields})) == (0, [reason])


def test_a_spent_budget_uses_up_no_once():
    """It is there when the budget is raised."""
    voucher = grant(budget=TEN, recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    assert given(apply()) == (1_000, [])
    assert given(apply(subscription="sub_2")) == (0, ["budget_spent"])
    change(voucher, budget={"amount": 1_500, "currency": "USD"})
    assert given(apply(subscription="sub_2")) == (500, [])


def test_a_replayed_invoice_spends_nothing_more():
    """The same answer, and the budget as it was; another body under its id spends nothing either."""
    grant(budget={"amount": 6_000, "currency": "USD"})
    request = invoice()
    first = task_named("billing.apply")(request=request)
    assert task_named("billing.apply")(request=request) == first
    assert task_named("billing.apply")(request={**request, "currency": "EUR"})["outcome"] == "refused"
    assert spent() == {"USD": 4_000}


def test_a_batch_that_repeats_an_invoice_spends_once():
    """As if it had been delivered twice."""
    grant(budget={"amount": 6_000, "currency": "USD"})
    request = invoice()
    first, again = task_named("billing.apply_many")(request={"invoices": [request, request]})["items"]
    assert first == again
    assert spent() == {"USD": 4_000}


def test_both_caps_hold_and_the_smaller_one_decides():
    """10.00 on each, until 25.00 are given."""
    grant(maximumDiscount=TEN, budget={"amount": 2_500, "currency": "USD"})
    assert [apply()["discountTotal"] for _ in range(4)] == [1_000, 1_000, 500, 0]


def test_what_follows_works_on_what_a_capped_discount_left():
    """Half, capped at 10.00, then a tenth of the 70.00 that are left."""
    grant(maximumDiscount=TEN)
    redeem(voucher=create_voucher()["id"], subscription="sub_1")
    assert [each["amount"] for each in apply()["discounts"]] == [1_000, 700]


def test_caps_can_be_anything_before_the_first_redemption():
    """Given, changed, taken away, and given by name alone."""
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
    """Down to what is spent."""
    voucher = grant(budget=FURTHER)
    apply(lines=lines(1_000))
    for amounts in ({"amount": 2_000, "currencyOptions": {"EUR": 800}}, {"amount": 500, "currencyOptions": {"EUR": 1}}):
        changed = change(voucher, budget={"currency": "USD", **amounts})
        assert changed["budget"] == {"currency": "USD", **amounts}
    assert given(apply()) == (0, ["budget_spent"])


def test_a_budget_is_never_set_below_what_is_spent():
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
    """Discounts that were granted run by them."""
    voucher = grant(maximumDiscount=TEN, budget=FURTHER)
    answer = change(voucher, **fields)
    assert (answer["outcome"], answer["reason"]) == ("refused", "voucher_already_redeemed")


@pytest.mark.parametrize("cap", ["maximumDiscount", "budget"])
def test_a_cap_cannot_come_after_the_first_redemption(cap):
    """What was granted without it runs without it."""
    assert change(grant(), **{cap: TEN})["reason"] == "voucher_already_redeemed"


def test_changing_something_else_leaves_the_caps():
    """They are not sent."""
    voucher = grant(maximumDiscount=TEN, budget=FURTHER)
    changed = change(voucher, name="Other")
    assert (changed["maximumDiscount"], changed["budget"]) == (voucher["maximumDiscount"], voucher["budget"])


def test_only_a_batch_with_a_budget_asks_for_it_and_twice_whatever_its_size():
    """Once to lock what is left, once to write what was spent."""
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


def test_no_statement_about_budgets_reads_a_table():
    """Locking, spending and changing them."""
    granted = [grant(subscription=f"sub_{index}", budget=FURTHER) for index in range(40)]
    with explained() as plans:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(40)]}
        )
        change(granted[0], budget={**FURTHER, "amount": 2_000})
    assert len([plan for plan in plans if "budgets" in plan]) >= 3
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
