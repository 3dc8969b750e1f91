"""`billing.reverse` gives the amounts of a void or a failed payment back to budgets."""

import pytest
from sqlalchemy import text

from tests.invoices.budgets import TEN, change, given, grant, spent
from tests.support.concurrency import at_once, send
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import GIVING_BACK, refund, reverse
from tests.support.statements import counted
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("kind", GIVING_BACK)
def test_a_budget_gets_the_amount_of_a_reversed_invoice_back(kind):
    """Reversing again gives nothing more back, and the next invoice gets the amount."""
    grant(budget=TEN)
    first = apply(invoice="inv_1")
    assert (given(first), given(apply())) == ((1_000, []), (0, ["budget_spent"]))
    for _ in range(2):
        reverse("inv_1", kind)
        assert spent() == {"USD": 0}
    assert given(apply()) == (1_000, [])
    assert given(apply(invoice="inv_1")) == given(first)
    assert spent() == {"USD": 1_000}


def test_a_refund_gives_no_budget_back():
    """A refund gives back neither cycles nor budgets."""
    grant(budget=TEN)
    apply(invoice="inv_1")
    refund("inv_1", "r1", base=8_000)
    assert (spent(), given(apply())) == ({"USD": 1_000}, (0, ["budget_spent"]))


def test_the_budgets_of_all_currencies_and_vouchers_are_refilled():
    """Of three discounts on an invoice, one has no budget."""
    both = {**TEN, "currencyOptions": {"EUR": 900}}
    for budget in (both, TEN, None):
        grant(budget=budget)
    for number, currency in enumerate(["EUR", "USD"], start=1):
        apply(invoice=f"inv_{number}", currency=currency)
    with transaction() as session:
        before = session.execute(text("SELECT currency, spent_minor FROM budgets ORDER BY 1, 2")).all()
    assert [tuple(row) for row in before] == [("EUR", 900), ("USD", 1_000), ("USD", 1_000)]
    reverse("inv_1")
    assert spent()["EUR"] == 0
    reverse("inv_2")
    with transaction() as session:
        assert session.execute(text("SELECT sum(spent_minor) FROM budgets")).scalar_one() == 0


def test_a_budget_can_be_lowered_to_the_amount_not_given_back():
    """The amount given back does not count as spent."""
    voucher = grant(budget={"amount": 5_000, "currency": "USD"})
    for number in (1, 2):
        apply(invoice=f"inv_{number}", lines=[{"id": "base", "amount": 4_000}])
    reverse("inv_1")
    assert change(voucher, budget={"amount": 2_000, "currency": "USD"})["budget"]["amount"] == 2_000


def test_an_ended_discount_gives_its_budget_back_too():
    """Other discounts of the voucher can use the amount."""
    voucher = create_voucher(budget=TEN, priceDiscountPercentage=50)["id"]
    mine, _ = (redeem(voucher=voucher, subscription=each) for each in ("sub_1", "sub_2"))
    apply(invoice="inv_1")
    end(mine["discount"])
    assert given(apply(subscription="sub_2")) == (0, ["budget_spent"])
    reverse("inv_1")
    assert given(apply(subscription="sub_2")) == (1_000, [])


def test_only_a_reversal_with_a_budget_sends_two_more_statements():
    """Two more statements lock the budgets and give the amounts back."""
    statements = {}
    for name, fields in (("without", {}), ("with", {"budget": TEN})):
        grant(subscription=f"sub_{name}", **fields)
        apply(invoice=f"inv_{name}", subscription=f"sub_{name}")
        with counted() as statements[name]:
            reverse(f"inv_{name}")
    assert not any("budgets" in each for each in statements["without"])
    assert len(statements["with"]) == len(statements["without"]) + 2


@pytest.mark.usefixtures("wide_pool")
def test_voiding_and_applying_at_once_share_a_budget_to_the_last_unit():
    """Ten invoices are voided while twenty others want their amounts. The audit compares the budget with the ledger."""
    voucher = create_voucher(priceDiscountPercentage=50, budget={"amount": 40_000, "currency": "USD"})["id"]
    for number in range(30):
        redeem(voucher=voucher, subscription=f"sub_{number}")
    for number in range(10):
        assert apply(invoice=f"inv_{number}", subscription=f"sub_{number}")["discountTotal"] == 4_000
    voids = [{"project": "gigs", "invoice": f"inv_{number}", "kind": "voided"} for number in range(10)]
    invoices = [invoice(subscription=f"sub_{number}") for number in range(10, 30)]
    answers = at_once([*send("billing.reverse", voids), *send("billing.apply", invoices)])
    assert sum(each["discountTotal"] for each in answers[10:]) == spent()["USD"] <= 40_000
