"""Discounting an invoice: the order of discounts, the base, the amount, the caps and the lines."""

from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.allowance import allowance_left
from domain.invoice import Applied, Discount, Invoice, Line, Skip, Skipped, apply_discounts
from domain.recurrence import Period, Progress
from domain.terms import FixedDiscount, PercentageDiscount, Recurrence, RecurrenceType
from tests.cases.load import cases

FEBRUARY = Period(start=date(2026, 1, 31), end=date(2026, 2, 28))
INVOICE = Invoice(currency="USD", cycle=FEBRUARY, lines=[Line(id="base", amount_minor=8000)])

OF_A = replace(INVOICE, lines=[Line(id="base", amount_minor=8000, product="a")])


def discount(price, *, products=None, recurrence=RecurrenceType.FOREVER, months=None, **fields) -> Discount:
    """Return a running discount that was granted before the invoice's period."""
    values = {
        "id": uuid4(),
        "voucher_id": uuid4(),
        "price_discount": price,
        "recurrence": Recurrence(type=recurrence, duration_in_months=months),
        "products": None if products is None else frozenset(products),
        "starts_on": date(2026, 1, 1),
        "progress": Progress(),
        "taken_minor": {},
    }
    return Discount(**{**values, **fields})


def fixed(amount, **options) -> Discount:
    """Return a discount of a fixed amount in USD, in minor units."""
    return discount(FixedDiscount(amounts_minor={"USD": amount}), **options)


def percentage(millionths, **options) -> Discount:
    """Return a discount of that many millionths."""
    return discount(PercentageDiscount(millionths=millionths), **options)


def lines(*amounts) -> Invoice:
    """Return an invoice with one line for each amount."""
    each = [Line(id=str(index), amount_minor=amount) for index, amount in enumerate(amounts)]
    return replace(INVOICE, lines=each)


def amounts_of(results) -> list[int]:
    """Return the amounts of the applied discounts, in order."""
    return [each.amount_minor for each in results if isinstance(each, Applied)]


def reasons_of(results) -> list[str]:
    """Return the reasons of the skipped discounts, in order."""
    return [each.reason.value for each in results if isinstance(each, Skipped)]


@pytest.mark.parametrize("case", cases("stacking"))
def test_discounts_stack_as_public_systems_document(case):
    """Each discount applies to the rest that the earlier discounts left."""
    discounts = [
        fixed(each["fixed"]) if "fixed" in each else percentage(each["percentage"] * 10_000)
        for each in case["discounts"]
    ]
    results = apply_discounts(lines(case["base"]), discounts=discounts)
    assert amounts_of(results) == case["amounts"]
    assert reasons_of(results) == case.get("skipped", [])


def test_discounts_restricted_to_products_come_first_then_the_order_redeemed():
    """A discount on everything then applies to the rest."""
    everything, first, second = percentage(100_000), percentage(500_000, products=["a"]), fixed(100, products=["a"])
    invoice = replace(INVOICE, lines=[Line(id="a", amount_minor=1000, product="a"), Line(id="b", amount_minor=1000)])
    results = apply_discounts(invoice, discounts=[everything, first, second])
    assert [each.discount for each in results] == [first, second, everything]
    assert amounts_of(results) == [500, 100, 140]


def test_a_discount_that_excludes_products_is_restricted_too():
    """It comes before those on everything, in the order redeemed, and takes nothing off excluded lines."""
    everything, but_a = percentage(100_000), percentage(500_000, excluded_products=frozenset({"a"}))
    named = percentage(500_000, products=["b"], excluded_products=frozenset({"a"}))
    a, b, other = (Line(id=name or "-", amount_minor=1000, product=name) for name in ("a", "b", None))
    results = apply_discounts(replace(INVOICE, lines=[a, b, other]), discounts=[everything, but_a, named])
    assert [(each.discount, each.by_line) for each in results if isinstance(each, Applied)] == [
        (but_a, {"b": 500, "-": 500}),
        (named, {"b": 250}),
        (everything, {"a": 100, "b": 25, "-": 50}),
    ]


def test_the_base_is_the_positive_discountable_lines_of_the_products():
    """Credits, lines that are not discountable and other products are not discounted."""
    invoice = replace(
        INVOICE,
        lines=[
            Line(id="a", amount_minor=1000, product="a"),
            Line(id="credit", amount_minor=-500, product="a"),
            Line(id="tax", amount_minor=300, product="a", discountable=False),
            Line(id="other", amount_minor=700, product="b"),
            Line(id="zero", amount_minor=0, product="a"),
        ],
    )
    (applied,) = apply_discounts(invoice, discounts=[percentage(500_000, products=["a"])])
    assert isinstance(applied, Applied)
    assert applied.by_line == {"a": 500}


def test_a_percentage_is_computed_once_on_the_base():
    """On three lines of 1, 50 % is 2 in total, not 1 for each line."""
    (applied,) = apply_discounts(lines(1, 1, 1), discounts=[percentage(500_000)])
    assert isinstance(applied, Applied)
    assert applied.amount_minor == 2
    assert applied.by_line == {"0": 1, "1": 1}


def test_a_fixed_amount_is_capped_at_the_base():
    """The excess is lost."""
    assert amounts_of(apply_discounts(lines(300), discounts=[fixed(999)])) == [300]


def test_a_fixed_amount_is_that_of_the_invoices_currency():
    """The voucher names an amount for EUR; nothing is converted."""
    two = discount(FixedDiscount(amounts_minor={"USD": 999, "EUR": 899}))
    assert amounts_of(apply_discounts(replace(INVOICE, currency="EUR"), discounts=[two])) == [899]


@pytest.mark.parametrize(
    ("invoice", "granted", "reason"),
    [
        (replace(INVOICE, trial=True), fixed(1), Skip.TRIAL),
        (INVOICE, fixed(1, starts_on=FEBRUARY.end), Skip.BEFORE_START),
        (INVOICE, fixed(1, products=["a"]), Skip.PRODUCT_NOT_ELIGIBLE),
        (OF_A, fixed(1, excluded_products=frozenset({"a"})), Skip.PRODUCT_NOT_ELIGIBLE),
        (OF_A, fixed(1, products=["b"], excluded_products=frozenset({"c"})), Skip.PRODUCT_NOT_ELIGIBLE),
        (replace(INVOICE, currency="JPY"), fixed(1), Skip.CURRENCY_MISMATCH),
        (lines(0, -5), fixed(1), Skip.NOTHING_LEFT),
        (lines(1), percentage(1), Skip.NOTHING_LEFT),
        (INVOICE, fixed(5, taken_minor={"USD": 5}), Skip.NOTHING_LEFT),
    ],
)
def test_a_discount_that_takes_nothing_off_says_why(invoice, granted, reason):
    """In each row, only one reason is true."""
    assert reasons_of(apply_discounts(invoice, discounts=[granted])) == [reason.value]


def test_the_first_reason_to_skip_is_the_answer():
    """At first all reasons are true; each step removes the first of them."""
    invoice = replace(INVOICE, trial=True, currency="JPY", lines=[Line(id="x", amount_minor=0)])
    granted = fixed(1, products=["a"], starts_on=FEBRUARY.end)
    assert reasons_of(apply_discounts(invoice, discounts=[granted])) == ["trial"]
    invoice = replace(invoice, trial=False)
    assert reasons_of(apply_discounts(invoice, discounts=[granted])) == ["before_start"]
    granted = replace(granted, starts_on=date(2026, 1, 1))
    assert reasons_of(apply_discounts(invoice, discounts=[granted])) == ["product_not_eligible"]
    granted = replace(granted, products=None)
    assert reasons_of(apply_discounts(invoice, discounts=[granted])) == ["currency_mismatch"]
    assert reasons_of(apply_discounts(replace(invoice, currency="USD"), discounts=[granted])) == ["nothing_left"]


def test_a_period_counts_if_it_ends_after_the_start():
    """A period that has begun before the voucher is redeemed is discounted."""
    assert amounts_of(apply_discounts(INVOICE, discounts=[fixed(1, starts_on=date(2026, 2, 27))])) == [1]


def test_a_discount_that_does_not_cover_the_invoice_is_not_listed():
    """It is neither applied nor skipped, not even on a trial."""
    used = fixed(
        1,
        recurrence=RecurrenceType.ONCE,
        progress=Progress(first_start=date(2026, 1, 1), last_start=date(2026, 1, 1), cycles=1),
    )
    assert apply_discounts(INVOICE, discounts=[used]) == []
    assert apply_discounts(replace(INVOICE, trial=True), discounts=[used]) == []


@pytest.mark.parametrize("invoice", [replace(INVOICE, trial=True), lines(0)])
def test_an_invoice_that_is_not_discounted_starts_nothing(invoice):
    """A trial or an empty invoice does not use up a `once`."""
    once = fixed(1, recurrence=RecurrenceType.ONCE)
    assert isinstance(apply_discounts(invoice, discounts=[once])[0], Skipped)
    assert once.progress == Progress()


def test_a_voucher_takes_part_once_even_if_its_first_discount_is_skipped():
    """The second discount of the voucher is not listed. Another voucher takes part."""
    voucher_id = uuid4()
    spent = fixed(500, voucher_id=voucher_id, taken_minor={"USD": 500})
    second, other = fixed(500, voucher_id=voucher_id), fixed(300)
    results = apply_discounts(INVOICE, discounts=[spent, second, other])
    assert [each.discount for each in results] == [spent, other]
    assert (reasons_of(results), amounts_of(results)) == (["nothing_left"], [300])


def test_the_first_redeemed_takes_part_even_if_the_next_of_its_voucher_is_restricted_to_products():
    """The voucher's products were changed in between. A restricted discount of another voucher still comes first."""
    voucher_id = uuid4()
    first, second = fixed(500, voucher_id=voucher_id), fixed(500, voucher_id=voucher_id, products=["prod_a"])
    other = fixed(300, products=["prod_a"])
    invoice = replace(INVOICE, lines=[Line(id="base", amount_minor=8000, product="prod_a")])
    results = apply_discounts(invoice, discounts=[first, second, other])
    assert [each.discount for each in results] == [other, first]


@pytest.mark.parametrize("trial", [False, True])
def test_a_discount_that_has_not_started_makes_room_for_the_next_of_its_voucher(trial):
    """It does not cover the invoice, so both are listed. A third is not."""
    voucher_id = uuid4()
    later = fixed(500, voucher_id=voucher_id, starts_on=INVOICE.cycle.end)
    second, third = (fixed(500, voucher_id=voucher_id) for _ in range(2))
    results = apply_discounts(replace(INVOICE, trial=trial), discounts=[later, second, third])
    assert [each.discount for each in results] == [later, second]


def test_a_discount_that_is_over_makes_room_for_the_next_of_its_voucher():
    """It is not listed."""
    voucher_id = uuid4()
    start = INVOICE.cycle.start
    progress = Progress(first_start=start, last_start=start, cycles=1)
    over = fixed(500, voucher_id=voucher_id, recurrence=RecurrenceType.ONCE, progress=progress)
    second = fixed(500, voucher_id=voucher_id)
    assert [each.discount for each in apply_discounts(INVOICE, discounts=[over, second])] == [second]


def test_an_allowance_is_shared_by_the_currencies_of_a_period():
    """If half was used in USD, half of the EUR amount is left, rounded down."""
    amounts = {"USD": 1000, "EUR": 901}
    assert allowance_left(amounts, currency="EUR", taken_minor={"USD": 500}) == 450
    assert allowance_left(amounts, currency="USD", taken_minor={"USD": 500}) == 500


PRICES = st.one_of(
    st.integers(min_value=1, max_value=1_000_000).map(lambda each: PercentageDiscount(millionths=each)),
    st.integers(min_value=1, max_value=20_000).map(lambda each: FixedDiscount(amounts_minor={"USD": each})),
)
LINES = st.lists(
    st.builds(
        Line,
        id=st.uuids().map(str),
        amount_minor=st.integers(min_value=-5_000, max_value=20_000),
        product=st.sampled_from([None, "a", "b"]),
        discountable=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)
DISCOUNTS = st.lists(
    st.builds(
        discount,
        PRICES,
        products=st.sampled_from([None, ["a"], ["b"], ["a", "b"]]),
        excluded_products=st.sampled_from([frozenset(), frozenset({"b"})]),
    ),
    max_size=6,
)


@given(LINES, DISCOUNTS)
def test_no_line_goes_below_zero_and_every_amount_is_the_sum_of_its_parts(each_line, discounts):
    """The discounts come in any order."""
    results = apply_discounts(replace(INVOICE, lines=each_line), discounts=discounts)
    assert len(results) == len(discounts)
    applied = [each for each in results if isinstance(each, Applied)]
    for each in applied:
        assert each.amount_minor == sum(each.by_line.values()) > 0
    for line in each_line:
        taken = sum(each.by_line.get(line.id, 0) for each in applied)
        assert taken <= max(line.amount_minor, 0) if line.discountable else taken == 0
