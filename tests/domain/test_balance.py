"""A balance: a fixed amount whose rest carries over to the next invoice, in any order of invoices and currencies."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from domain.allowance import is_used_up
from domain.invoice import Applied, Balance, Discount, Invoice, Line, Skipped, apply_discounts
from domain.recurrence import Period, Progress
from domain.terms import FixedDiscount, Recurrence, RecurrenceType

FIRST = date(2026, 1, 1)
BALANCE = Discount(
    id=uuid4(),
    voucher_id=uuid4(),
    price_discount=FixedDiscount(amounts_minor={"USD": 1000}),
    recurrence=Recurrence(type=RecurrenceType.FOREVER),
    products=None,
    starts_on=FIRST,
    progress=Progress(),
    taken_minor={},
    taken_in_total_minor={},
)


def invoice(amount: int, *, currency: str = "USD", period: int = 0) -> Invoice:
    """Return an invoice of one line, for the day that begins `period` days after the first."""
    start = FIRST + timedelta(days=period)
    return Invoice(
        currency=currency,
        cycle=Period(start=start, end=start + timedelta(days=1)),
        lines=[Line(id="base", amount_minor=amount)],
    )


def bill(discount: Discount, invoices: list[Invoice]) -> list[Applied | Skipped | None]:
    """Apply the discount to each invoice in turn, and return the results; None if the discount is not listed."""
    in_total: dict[str, int] = {}
    by_cycle: dict[date, dict[str, int]] = {}
    results: list[Applied | Skipped | None] = []
    for each in invoices:
        taken = by_cycle.setdefault(each.cycle.start, {})
        now = replace(discount, taken_minor=dict(taken), taken_in_total_minor=dict(in_total))
        result = next(iter(apply_discounts(each, discounts=[now])), None)
        if isinstance(result, Applied):
            for counter in (taken, in_total):
                counter[each.currency] = counter.get(each.currency, 0) + result.amount_minor
            discount = replace(discount, progress=result.progress)
        results.append(result)
    return results


def test_the_rest_after_one_invoice_is_available_on_the_next():
    """Of 10.00, the first invoice takes 6.00 and the second the rest of 4.00. On the third, nothing is listed."""
    first, second, third = bill(BALANCE, [invoice(600), invoice(900, period=30), invoice(900, period=60)])
    assert isinstance(first, Applied)
    assert isinstance(second, Applied)
    assert (first.amount_minor, first.balance) == (600, Balance(left_minor=400, is_used_up=False))
    assert (second.amount_minor, second.balance) == (400, Balance(left_minor=0, is_used_up=True))
    assert third is None


def test_invoices_of_one_period_share_the_balance():
    """Three invoices of a day share the balance."""
    results = bill(BALANCE, [invoice(600), invoice(300), invoice(300)])
    assert [each.amount_minor for each in results if isinstance(each, Applied)] == [600, 300, 100]


def test_a_discount_that_does_not_carry_over_has_no_balance():
    """The result then has no balance."""
    plain = replace(BALANCE, taken_in_total_minor=None)
    (result,) = apply_discounts(invoice(600), discounts=[plain])
    assert isinstance(result, Applied)
    assert result.balance is None


def test_an_amount_taken_in_another_currency_counts_as_its_share():
    """Half of USD 10.00 uses up half of EUR 9.01, rounded down. The odd cent is lost: no currency can give it."""
    two = replace(BALANCE, price_discount=FixedDiscount(amounts_minor={"USD": 1000, "EUR": 901}))
    first, second, third = bill(two, [invoice(500), invoice(900, currency="EUR"), invoice(900)])
    assert isinstance(first, Applied)
    assert isinstance(second, Applied)
    assert (second.amount_minor, second.balance) == (450, Balance(left_minor=0, is_used_up=True))
    assert third is None


def test_a_balance_is_not_used_up_while_another_currency_can_be_given():
    """After a third of USD 3.00, nothing of JPY 1 can be given, but USD 2.00 can."""
    assert not is_used_up({"USD": 300, "JPY": 1}, taken_minor={"USD": 100})
    two = replace(BALANCE, price_discount=FixedDiscount(amounts_minor={"USD": 300, "JPY": 1}))
    results = bill(two, [invoice(100), invoice(50, currency="JPY"), invoice(500)])
    assert [type(each) for each in results] == [Applied, Skipped, Applied]


AMOUNTS = st.dictionaries(st.sampled_from(["USD", "EUR", "JPY"]), st.integers(1, 5_000), min_size=1)
INVOICES = st.lists(
    st.builds(
        lambda amount, currency, period: invoice(amount, currency=currency, period=period),
        st.integers(0, 3_000),
        st.sampled_from(["USD", "EUR", "JPY"]),
        st.integers(0, 3),
    ),
    max_size=15,
)


@given(AMOUNTS, INVOICES)
def test_a_balance_never_gives_more_than_its_amount(amounts, invoices):
    """In any order and currencies, the shares sum to 1 at most."""
    results = bill(replace(BALANCE, price_discount=FixedDiscount(amounts_minor=amounts)), invoices)
    shares = [
        Fraction(result.amount_minor, amounts[each.currency])
        for each, result in zip(invoices, results, strict=True)
        if isinstance(result, Applied)
    ]
    assert sum(shares) <= 1


@given(st.integers(1, 5_000), st.lists(st.integers(0, 3_000), max_size=15))
def test_a_balance_gives_its_whole_amount_and_is_then_not_listed(amount, bases):
    """In one currency, the amount given is the amount billed, up to the balance."""
    invoices = [invoice(base, period=index) for index, base in enumerate(bases)]
    results = bill(replace(BALANCE, price_discount=FixedDiscount(amounts_minor={"USD": amount})), invoices)
    given_so_far = 0
    for base, result in zip(bases, results, strict=True):
        assert (result is None) == (given_so_far == amount)
        taken = min(base, amount - given_so_far)
        given_so_far += taken
        if taken:
            assert isinstance(result, Applied)
            assert (result.amount_minor, result.balance) == (
                taken,
                Balance(left_minor=amount - given_so_far, is_used_up=given_so_far == amount),
            )
