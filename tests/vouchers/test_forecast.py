"""Forecasts of the costs of running discounts, from their averages in the ledger."""

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest, NotFound
from tests.invoices.previews import contents
from tests.support.credits import credit
from tests.support.requests import apply, create_voucher, redeem
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from tests.vouchers.forecasts import bill, costs, grant, look, month
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

FIVE = {"amount": 500, "currency": "USD"}


def test_a_discount_goes_on_with_its_own_average():
    """The average of 8.00 and 4.00 is 6.00 a month. The answer has the request's fields and the assumptions."""
    grant()
    bill(8_000, 4_000)
    answer = look(months=2)
    assumptions = answer.pop("assumptions")
    assert answer == {
        "object": "forecast",
        "project": "gigs",
        "voucher": None,
        "from": "2031-03-01",
        "months": [{"month": "2031-03", "amounts": {"USD": 600}}, {"month": "2031-04", "amounts": {"USD": 600}}],
        "totals": {"USD": 1_200},
        "basis": {
            "discounts": 1,
            "byOwnAverage": 1,
            "byVoucherAverage": 0,
            "withoutHistory": 0,
            "cyclesInLedger": 2,
        },
    }
    assert assumptions
    assert all(isinstance(each, str) for each in assumptions)


def test_several_invoices_of_a_period_are_one_cycle():
    """8.00 and 4.00 in January are 12.00 a month."""
    grant()
    for amount in (8_000, 4_000):
        bill(amount)
    assert costs(look()) == [1_200] * 4


def test_what_is_billed_already_is_not_forecast_again():
    """March is billed, so the forecast for March is zero."""
    grant()
    bill(8_000, 8_000, 8_000)
    assert costs(look()) == [0, 800, 800, 800]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"recurrence": {"type": "repeating", "durationInMonths": 4}}, [500, 500, 0, 0]),
        ({"recurrence": {"type": "repeating", "durationInCycles": 5}}, [500, 500, 500, 0]),
        ({"carryOver": True, "priceDiscount": {"amount": 2_200, "currency": "USD"}}, [500, 500, 200, 0]),
        ({"carryOver": True, "priceDiscount": {"amount": 2_000, "currency": "USD"}}, [500, 500, 0, 0]),
        ({"budget": {"amount": 1_700, "currency": "USD"}}, [500, 200, 0, 0]),
        ({"maximumDiscountInAll": {"amount": 2_200, "currency": "USD"}}, [500, 500, 200, 0]),
        ({"maximumDiscountInAll": {"amount": 9_000, "currency": "USD"}}, [500, 500, 500, 500]),
    ],
)
def test_what_ends_a_discount_ends_its_cost(fields, expected):
    """5.00 were taken in January and February. A window, a number of cycles, a total or a budget ends the costs."""
    grant(**{"priceDiscountPercentage": None, "priceDiscount": FIVE, **fields})
    bill(500, 500)
    assert costs(look()) == expected


def test_a_balance_in_cycles_ends_with_whichever_comes_first():
    """20.00 of the balance are left, but only a single cycle."""
    price = {"amount": 3_000, "currency": "USD"}
    grant(priceDiscount=price, carryOver=True, recurrence={"type": "repeating", "durationInCycles": 3})
    bill(500, 500)
    assert costs(look()) == [500, 0, 0, 0]


def test_a_balance_in_two_currencies_is_used_up_in_both():
    """A quarter is used in each currency. The other half lasts as long as the first."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD", "currencyOptions": {"EUR": 800}}, carryOver=True)
    bill(250)
    bill(200, currency="EUR", first=2)
    answer = look()
    assert (costs(answer), costs(answer, currency="EUR")) == ([125, 125, 0, 0], [100, 100, 0, 0])


def test_what_has_not_begun_takes_its_vouchers_average():
    """Two discounts have not started. The third takes 5.00 a month."""
    voucher = grant(priceDiscount=FIVE, recurrence={"type": "repeating", "durationInMonths": 3})
    bill(500, 500)
    for number in (2, 3):
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", currency="USD", startsOn="2031-04-15")
    answer = look()
    assert costs(answer) == [500, 1_000, 1_000, 1_000]
    assert answer["basis"] == {
        "discounts": 3,
        "byOwnAverage": 1,
        "byVoucherAverage": 2,
        "withoutHistory": 0,
        "cyclesInLedger": 2,
    }


def test_the_average_of_a_voucher_is_of_what_is_over_too():
    """Two discounts took 6.00 and 4.00 once and are completed. The third has not started."""
    voucher = grant(recurrence={"type": "once"})
    bill(6_000)
    for number, amount in ((2, 4_000), (3, None)):
        starts_on = "2031-01-01" if amount else "2031-03-01"
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", startsOn=starts_on)
        if amount:
            bill(amount, subscription=f"sub_{number}")
    answer = look()
    assert costs(answer) == [500, 0, 0, 0]
    assert answer["basis"]["discounts"] == answer["basis"]["byVoucherAverage"] == 1


def test_a_balance_that_has_not_begun_is_used_up_in_its_vouchers_cycles():
    """The new discount takes 12.00 at 5.00 a month. The other discount still has 2.00."""
    voucher = grant(priceDiscount={"amount": 1_200, "currency": "USD"}, carryOver=True)
    bill(500, 500)
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-03-01")
    assert costs(look()) == [700, 500, 200, 0]


def test_a_maximum_in_all_that_has_not_begun_ends_the_cost():
    """The new discount takes 5.00 a month, up to 12.00. The other one still has 2.00."""
    voucher = grant(maximumDiscountInAll={"amount": 1_200, "currency": "USD"}, priceDiscount=FIVE)
    bill(500, 500)
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-03-01")
    assert costs(look()) == [700, 500, 200, 0]


@pytest.mark.parametrize("terms", [{"carryOver": True}, {"maximumDiscountInAll": {"amount": 2_200, "currency": "USD"}}])
def test_an_average_of_nothing_costs_nothing(terms):
    """All that the voucher took was credited, so nothing tells how long a total lasts."""
    voucher = grant(**{"priceDiscount": FIVE, **terms})
    line = [{"id": "base", "amount": 8_000}]
    apply(invoice="inv_1", subscription="sub_1", period=month(1), lines=line)
    credit(8_000, of="inv_1", subscription="sub_1", period=month(2))
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-03-01")
    assert costs(look()) == [0, 0, 0, 0]


def test_without_any_history_it_is_counted_and_costs_nothing():
    """There is no average to go by."""
    grant()
    answer = look()
    assert (answer["totals"], answer["basis"]["withoutHistory"]) == ({}, 1)
    assert [each["amounts"] for each in answer["months"]] == [{}] * 4


def test_a_voucher_can_be_asked_for_alone():
    """Another project finds neither the voucher nor the costs."""
    first, second = grant(), grant(priceDiscount=FIVE, subscription="sub_2")
    bill(8_000)
    bill(8_000, subscription="sub_2")
    assert [costs(look(voucher=each["id"], months=1)) for each in (first, second)] == [[800], [500]]
    assert costs(look(months=1)) == [1_300]
    assert look(voucher=first["id"])["voucher"] == first["id"]
    assert look(project="other")["totals"] == {}
    with pytest.raises(NotFound):
        look(project="other", voucher=first["id"])


def test_what_is_over_costs_nothing_swept_or_not():
    """A discount that runs once was used, and the window of another discount has ended."""
    grant(recurrence={"type": "once"})
    bill(8_000)
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    redeem(voucher=voucher["id"], subscription="sub_2", startsOn="2020-01-01")
    apply(subscription="sub_2", period={"start": "2020-01-01", "end": "2020-02-01"})
    before = look(since="2020-03-01")
    assert (before["totals"], before["basis"]["discounts"]) == ({}, 0)
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    assert look(since="2020-03-01") == before


def test_without_a_date_it_begins_with_the_current_month():
    """The month is that of UTC."""
    with transaction() as session:
        today = session.execute(text("SELECT current_date")).scalar_one()
    answer = task_named("vouchers.forecast")(request={"project": "gigs"})
    assert answer["from"] == today.replace(day=1).isoformat()
    assert len(answer["months"]) == 12


def test_nothing_is_written():
    """Every table has the same rows before and after."""
    grant()
    bill(8_000)
    before = contents()
    look()
    assert contents() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"months": 0}, "months"),
        ({"months": 25}, "months"),
        ({"from": "2031-02-30"}, "from"),
        ({"voucher": "SUMMER"}, "voucher"),
        ({"project": ""}, "project"),
        ({"bogus": 1}, "?"),
    ],
)
def test_a_bad_field_is_named(changed, field):
    """The error has the path of the field."""
    with pytest.raises(InvalidRequest) as raised:
        task_named("vouchers.forecast")(request={"project": "gigs", **changed})
    assert [each["field"] for each in raised.value.errors] == [field]


def test_any_number_of_discounts_takes_the_same_statements_and_none_reads_a_table():
    """40 discounts have started and 40 have not. No plan has a sequential scan."""
    voucher = grant(subscription="sub_0", budget={"amount": 90_000, "currency": "USD"})
    bill(800, subscription="sub_0")
    with counted() as one:
        look()
    for number in range(1, 80):
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", startsOn="2031-01-01")
        if number < 40:
            bill(800, subscription=f"sub_{number}")
    with counted() as many:
        look()
    assert many == one
    with explained() as plans:
        look()
        look(voucher=voucher["id"])
    assert len(plans) > 6
    assert [each for each in plans if any(scan in each for scan in SCANS)] == []


def test_a_period_that_was_moved_to_a_months_last_day_costs_what_its_preview_says():
    """The first period starts on the last of February. The day of the plan is the 31st."""
    grant(recurrence={"type": "repeating", "durationInMonths": 4})
    apply(subscription="sub_1", period={"start": "2031-02-28", "end": "2031-03-31"})
    plan = {"interval": "month", "anchor": "2031-01-31", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    body = {"project": "gigs", "subscription": "sub_1", "periods": 6, "from": "2031-03-01", "plan": plan}
    shown = [each["discountTotal"] for each in task_named("billing.preview")(request=body)["periods"]]
    assert costs(look(months=6)) == shown == [800, 800, 800, 0, 0, 0]


def test_cycles_before_the_first_month_are_not_had_again():
    """They use up the three cycles and the budget, although their months are not shown."""
    voucher = grant(
        recurrence={"type": "repeating", "durationInCycles": 3}, budget={"amount": 3_000, "currency": "USD"}
    )
    bill(8_000)
    redeem(voucher=voucher["id"], subscription="sub_2", currency="USD", startsOn="2031-02-01")
    near, far = look(since="2031-02-01", months=6), look(since="2031-04-01", months=4)
    assert costs(near) == [1_600, 600, 0, 0, 0, 0]
    assert far["months"] == near["months"][2:]
