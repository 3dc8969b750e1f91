"""Previews and forecasts after reversals and ends, and during an invoice."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from tasks.invoices.apply import apply_all
from tasks.invoices.messages import Apply
from tests.invoices import previews as preview
from tests.invoices.calls import grant
from tests.support.administrator import as_administrator
from tests.support.concurrency import until_somebody_waits
from tests.support.endings import end
from tests.support.requests import apply, invoice, redeem
from tests.support.reversals import FEBRUARY, MARCH, reverse
from tests.support.tasks import task_named
from tests.vouchers import forecasts as forecast

pytestmark = pytest.mark.usefixtures("database")

JANUARY = {"start": "2027-01-01", "end": "2027-02-01"}
FIVE = {"amount": 500, "currency": "USD"}
PLAN = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8000}]}
TASKS: dict[str, tuple[Any, dict[str, Any]]] = {
    "preview": (
        task_named("billing.preview"),
        {"subscription": "sub_1", "plan": PLAN, "from": "2027-03-01", "periods": 2},
    ),
    "forecast": (task_named("vouchers.forecast"), {"from": "2027-03-01", "months": 3}),
}


def test_a_preview_leaves_out_amounts_given_back():
    """The allowance of January, a balance and a budget are refilled."""
    preview.grant(priceDiscount=FIVE)
    preview.grant(priceDiscount={"amount": 800, "currency": "USD"}, carryOver=True)
    preview.grant(priceDiscountPercentage=50, budget={"amount": 300, "currency": "USD"})
    before = preview.look(periods=2)
    apply(invoice="inv_1", period=JANUARY)
    reverse("inv_1")
    assert preview.look(periods=2) == before
    assert preview.totals(before)[0] == 1_600 == apply(period=JANUARY)["discountTotal"]


def test_a_preview_leaves_out_ended_discounts():
    """An ended discount is neither applied nor skipped."""
    ended = preview.grant()
    preview.grant(priceDiscount=FIVE)
    end(ended["discount"])
    answer = preview.look(periods=2)
    assert preview.totals(answer) == [500, 500]
    assert [each["skipped"] for each in answer["periods"]] == [[], []]


def test_a_forecast_leaves_out_amounts_given_back():
    """Of 8.00 and 4.00 the second was voided. So the forecast is 8.00, also for a discount that has not begun."""
    voucher = forecast.grant()
    forecast.bill(8_000)
    apply(invoice="inv_2", period=forecast.month(2), lines=[{"id": "base", "amount": 4_000}])
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-04-01")
    assert forecast.costs(forecast.look()) == [600, 1_200, 1_200, 1_200]
    reverse("inv_2")
    assert forecast.costs(forecast.look()) == [800, 1_600, 1_600, 1_600]


def test_a_forecast_leaves_out_ended_discounts():
    """The amounts that it took still count for its voucher's average."""
    voucher = forecast.grant()
    ended = redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-01-01")
    for subscription in ("sub_1", "sub_2"):
        forecast.bill(8_000, subscription=subscription)
    before = forecast.costs(forecast.look())
    end(ended["discount"])
    assert [2 * each for each in forecast.costs(forecast.look())] == before


@pytest.mark.usefixtures("wide_pool")
@pytest.mark.parametrize("name", TASKS)
def test_a_preview_and_a_forecast_see_one_snapshot(name):
    """An invoice is applied after the discounts are read, and before their budgets are read."""
    grant(budget={"amount": 1_700, "currency": "USD"})
    apply(invoice="inv_1", period=FEBRUARY)
    task, fields = TASKS[name]
    body = {"project": "gigs", **fields}
    before = task(request=body)
    with ThreadPoolExecutor(1) as threads, as_administrator() as holder:
        holder.execute(text("LOCK TABLE budgets IN ACCESS EXCLUSIVE MODE"))
        looking = threads.submit(task, request=body)
        until_somebody_waits(holder)
        answers = apply_all(holder, [Apply.model_validate(invoice(period=MARCH))])
        assert [each["discountTotal"] for each in answers] == [800]
        holder.commit()
        assert looking.result() == before
    assert task(request=body) != before
    assert task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"][0]["cycles"] == 2
