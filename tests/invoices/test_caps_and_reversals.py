"""What reversals give back, where budgets, previews and forecasts are concerned."""

import pytest
from sqlalchemy import text

from tests.invoices import test_preview as preview
from tests.invoices.test_caps import TEN, change, given, grant, spent
from tests.support.concurrency import at_once, send
from tests.support.endings import end
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import GIVING_BACK, refund, reverse
from tests.support.statements import counted
from tests.vouchers import test_forecast as forecast
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

JANUARY = {"start": "2027-01-01", "end": "2027-02-01"}
FIVE = {"amount": 500, "currency": "USD"}


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_budget_has_back_what_a_reversed_invoice_took(reason):
    """Once, however often it is reversed; the next invoice gets it."""
    grant(budget=TEN)
    first = apply(invoice="inv_1")
    assert (given(first), given(apply())) == ((1_000, []), (0, ["budget_spent"]))
    for _ in range(2):
        reverse("inv_1", reason)
        assert spent() == {"USD": 0}
    assert given(apply()) == (1_000, [])
    assert apply(invoice="inv_1") == first
    assert spent() == {"USD": 1_000}


def test_a_refund_gives_no_budget_back():
    """Like everything else that it does not give back."""
    grant(budget=TEN)
    apply(invoice="inv_1")
    refund("inv_1", "r1", base=8_000)
    assert (spent(), given(apply())) == ({"USD": 1_000}, (0, ["budget_spent"]))


def test_each_currency_and_each_voucher_has_its_own_back():
    """Of three discounts on an invoice one has no budget."""
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


def test_a_budget_can_be_lowered_to_what_stands():
    """What was given back is not spent."""
    voucher = grant(budget={"amount": 5_000, "currency": "USD"})
    for number in (1, 2):
        apply(invoice=f"inv_{number}", lines=[{"id": "base", "amount": 4_000}])
    reverse("inv_1")
    assert change(voucher, budget={"amount": 2_000, "currency": "USD"})["budget"]["amount"] == 2_000


def test_an_ended_discount_gives_its_budget_back_too():
    """The others of its voucher have it."""
    voucher = create_voucher(budget=TEN, priceDiscountPercentage=50)["id"]
    mine, _ = (redeem(voucher=voucher, subscription=each) for each in ("sub_1", "sub_2"))
    apply(invoice="inv_1")
    end(mine["discount"])
    assert given(apply(subscription="sub_2")) == (0, ["budget_spent"])
    reverse("inv_1")
    assert given(apply(subscription="sub_2")) == (1_000, [])


def test_only_a_budget_costs_a_reversal_statements():
    """Two, to lock them and to give back."""
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
    """Ten invoices are voided while twenty others want what they had; the audit compares it with the ledger."""
    voucher = create_voucher(priceDiscountPercentage=50, budget={"amount": 40_000, "currency": "USD"})["id"]
    for number in range(30):
        redeem(voucher=voucher, subscription=f"sub_{number}")
    for number in range(10):
        assert apply(invoice=f"inv_{number}", subscription=f"sub_{number}")["discountTotal"] == 4_000
    voids = [{"project": "gigs", "invoice": f"inv_{number}", "reason": "voided"} for number in range(10)]
    invoices = [invoice(subscription=f"sub_{number}") for number in range(10, 30)]
    answers = at_once([*send("billing.reverse", voids), *send("billing.apply", invoices)])
    assert sum(each["discountTotal"] for each in answers[10:]) == spent()["USD"] <= 40_000


def test_a_preview_leaves_out_what_was_given_back():
    """The allowance of January is there again, a balance is refilled, and so is a budget."""
    preview.grant(priceDiscount=FIVE)
    preview.grant(priceDiscount={"amount": 800, "currency": "USD"}, carryOver=True)
    preview.grant(priceDiscountPercentage=50, budget={"amount": 300, "currency": "USD"})
    before = preview.look(periods=2)
    apply(invoice="inv_1", period=JANUARY)
    reverse("inv_1")
    assert preview.look(periods=2) == before
    assert preview.totals(before)[0] == 1_600 == apply(period=JANUARY)["discountTotal"]


def test_a_preview_leaves_out_what_was_ended():
    """It neither gives something nor is skipped."""
    ended = preview.grant()
    preview.grant(priceDiscount=FIVE)
    end(ended["discount"])
    answer = preview.look(periods=2)
    assert preview.totals(answer) == [500, 500]
    assert [each["skipped"] for each in answer["periods"]] == [[], []]


def test_a_forecast_leaves_out_what_was_given_back():
    """Of 8.00 and 4.00 the second was voided: it goes on with 8.00, also where it has not begun."""
    voucher = forecast.grant()
    forecast.bill(8_000)
    apply(invoice="inv_2", period=forecast.month(2), lines=[{"id": "base", "amount": 4_000}])
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-04-01")
    assert forecast.costs(forecast.look()) == [600, 1_200, 1_200, 1_200]
    reverse("inv_2")
    assert forecast.costs(forecast.look()) == [800, 1_600, 1_600, 1_600]


def test_a_forecast_leaves_out_what_was_ended():
    """What it took still counts for its voucher's average."""
    voucher = forecast.grant()
    ended = redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-01-01")
    for subscription in ("sub_1", "sub_2"):
        forecast.bill(8_000, subscription=subscription)
    before = forecast.costs(forecast.look())
    end(ended["discount"])
    assert [2 * each for each in forecast.costs(forecast.look())] == before
