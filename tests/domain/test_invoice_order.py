"""Discounting an invoice: which discount comes first, and which one keeps others off the invoice."""

from datetime import date
from uuid import uuid4

import pytest

from domain.invoice import Applied, Discount, Invoice, Line, Skipped, apply_discounts
from domain.recurrence import Period, Progress
from domain.terms import PercentageDiscount, Recurrence, RecurrenceType

INVOICE = Invoice(
    currency="USD",
    cycle=Period(start=date(2026, 1, 31), end=date(2026, 2, 28)),
    lines=[Line(id="a", amount_minor=8000, product="a")],
)


def percentage(millionths, *, products=None, **fields) -> Discount:
    """Return a running discount that was granted before the invoice's period."""
    return Discount(
        id=uuid4(),
        voucher_id=uuid4(),
        price_discount=PercentageDiscount(millionths=millionths),
        recurrence=Recurrence(type=RecurrenceType.FOREVER),
        products=None if products is None else frozenset(products),
        starts_on=date(2026, 1, 1),
        progress=Progress(),
        taken_minor={},
        **fields,
    )


def amounts_of(results) -> list[int]:
    """Return the amounts of the applied discounts, in order."""
    return [each.amount_minor for each in results if isinstance(each, Applied)]


def reasons_of(results) -> list[str]:
    """Return the reasons of the skipped discounts, in order."""
    return [each.reason.value for each in results if isinstance(each, Skipped)]


def test_the_lowest_priority_comes_first_whatever_the_products_and_the_order_redeemed():
    """Among discounts of the same priority, the order is the usual one."""
    late, usual, restricted = (
        percentage(100_000, priority=501),
        percentage(100_000),
        percentage(100_000, products=["a"]),
    )
    first, second = percentage(500_000, priority=0), percentage(500_000, priority=0)
    results = apply_discounts(INVOICE, discounts=[late, usual, restricted, first, second])
    assert [each.discount for each in results] == [first, second, restricted, usual, late]
    assert amounts_of(results) == [4000, 2000, 200, 180, 162]


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_an_exclusive_discount_is_not_together_with_another_on_an_invoice(first, second):
    """The first that takes something off decides. One that takes nothing off does not count."""
    nothing = percentage(1, products=["none"], is_exclusive=True)
    discounts = [nothing, *(percentage(100_000, is_exclusive=each) for each in (first, second))]
    results = apply_discounts(INVOICE, discounts=discounts)
    assert amounts_of(results) == [800]
    assert reasons_of(results) == ["product_not_eligible", "not_combinable"]
