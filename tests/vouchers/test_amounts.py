"""The amounts of a voucher: given by all its discounts, net of reversals, and spent and left of its budget."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from models.vouchers.given import PARTS
from tests.invoices.budgets import FURTHER, TEN, change, grant, lines
from tests.support.requests import apply, create_voucher, invoice, record, redeem
from tests.support.reversals import MARCH, refund, reverse
from tests.support.statements import counted
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def shown(voucher: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return what was given, spent and left, after a look that list and retrieve agree."""
    retrieved = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    listed = task_named("vouchers.list")(request={"project": "gigs", "status": ["available", "retired"]})["items"]
    assert retrieved in listed
    return retrieved["given"], retrieved["spent"], retrieved["left"]


def test_a_new_voucher_has_given_nothing():
    """Without a budget, nothing is said of one."""
    assert shown(create_voucher()) == ({}, None, None)
    assert shown(create_voucher(budget=FURTHER)) == ({}, {"USD": 0, "EUR": 0}, {"USD": 1_000, "EUR": 900})


def test_the_amounts_of_all_discounts_are_added_by_currency():
    """Of each invoice, in a bulk too. Other vouchers on the same invoice have sums of their own."""
    voucher, other = grant(), grant(priceDiscount={"amount": 1, "currency": "USD"}, recurrence={"type": "forever"})
    redeem(voucher=voucher["id"], subscription="sub_2")
    apply(lines=lines(101))
    invoices = [
        invoice(subscription=subscription, currency=currency, lines=lines(100))
        for subscription, currency in (("sub_1", "JPY"), ("sub_2", "JPY"), ("sub_2", "USD"))
    ]
    task_named("billing.apply_many")(request={"invoices": invoices})
    assert shown(voucher) == ({"USD": 101, "JPY": 100}, None, None)
    assert shown(other) == ({"USD": 1}, None, None)


def test_a_refund_reduces_what_was_given_but_not_what_was_spent():
    """A void reduces both, to nothing."""
    voucher = grant(budget=TEN)
    apply(invoice="inv_1", lines=lines(200))
    apply(invoice="inv_2", lines=lines(400), period=MARCH)
    assert shown(voucher) == ({"USD": 300}, {"USD": 300}, {"USD": 700})
    refund("inv_1", "refund-1", base=100)
    assert shown(voucher) == ({"USD": 250}, {"USD": 300}, {"USD": 700})
    reverse("inv_2")
    assert shown(voucher) == ({"USD": 50}, {"USD": 100}, {"USD": 900})
    reverse("inv_1", "charged_back")
    assert shown(voucher) == ({}, {"USD": 0}, {"USD": 1_000})


def test_a_repeated_invoice_and_a_repeated_reversal_are_counted_once():
    """As everything under the caller's id."""
    voucher = grant()
    for _ in range(3):
        apply(invoice="inv_1", lines=lines(200))
        refund("inv_1", "refund-1", base=100)
    assert shown(voucher) == ({"USD": 50}, None, None)


def test_an_enlarged_budget_has_more_left():
    """The rest is that of the present budget."""
    voucher = grant(budget=TEN)
    apply(lines=lines(200))
    change(voucher, budget={"amount": 100, "currency": "USD"})
    assert shown(voucher) == ({"USD": 100}, {"USD": 100}, {"USD": 0})


def test_recorded_usage_is_not_given():
    """Scrip has not taken it off an invoice, and it may have no currency."""
    voucher = create_voucher()
    record(voucher=voucher["id"], amount=300, currency="USD")
    record(voucher=voucher["id"], amount=300)
    assert shown(voucher) == ({}, None, None)


def test_invoices_that_are_discounted_at_once_are_all_counted():
    """Each connection adds to a part of its own, so that none waits for another."""
    voucher = create_voucher()
    subscriptions = [redeem(voucher=voucher["id"])["subscription"] for _ in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: apply(subscription=name, lines=lines(100)), subscriptions))
    assert shown(voucher) == ({"USD": 240}, None, None)
    with transaction() as session:
        parts = session.execute(text("SELECT count(*), max(part) FROM given_amounts")).one()
    assert 1 < parts[0] <= PARTS
    assert parts[1] < PARTS


def test_a_page_of_vouchers_takes_one_statement_for_all_amounts():
    """However many vouchers are on it."""
    numbers = []
    for _ in range(2):
        create_voucher(budget=TEN)
        with counted() as statements:
            task_named("vouchers.list")(request={"project": "gigs"})
        numbers.append(len(statements))
    assert numbers[0] == numbers[1]


def test_other_systems_formats_do_not_show_the_amounts():
    """Their documents have no such fields."""
    voucher = create_voucher(budget=TEN)
    item = task_named("gigs.vouchers.list")(request={"project": "gigs"})["items"][0]
    assert item == task_named("gigs.vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert not {"given", "spent", "left"} & set(item)
