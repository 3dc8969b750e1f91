"""`billing.preview`: the coming periods of a plan, and the date from which the full price is billed."""

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.invoices.previews import contents, grant, look, plan, totals
from tests.support.ramps import phase, ramp
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import reverse
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def test_each_period_is_shown_as_its_invoice_will_be():
    """The discount covers two of three months."""
    granted = grant(recurrence={"type": "repeating", "durationInMonths": 2})
    answer = look(periods=3)
    first, _, third = answer.pop("periods")
    assert answer == {
        "object": "preview",
        "project": "gigs",
        "subscription": "sub_1",
        "currency": "USD",
        "redeem": [],
        "fullPriceFrom": "2027-03-01",
    }
    assert first == {
        "period": {"start": "2027-01-01", "end": "2027-02-01"},
        "trial": False,
        "subtotal": 8_000,
        "discountTotal": 800,
        "total": 7_200,
        "lines": [{"id": "base", "amount": 8_000, "discount": 800, "total": 7_200}],
        "notices": [],
        "discounts": [
            {
                "discount": granted["discount"],
                "voucher": granted["voucher"],
                "amount": 800,
                "lines": {"base": 800},
                "cycle": 1,
                "phase": None,
                "fullPriceFrom": "2027-03-01",
                "debitBalance": None,
            }
        ],
        "skipped": [],
    }
    assert (third["discountTotal"], third["discounts"], third["skipped"]) == (0, [], [])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"recurrence": {"type": "once"}}, "2027-02-01"),
        ({"recurrence": {"type": "repeating", "durationInMonths": 1}}, "2027-02-01"),
        ({"recurrence": {"type": "repeating", "durationInCycles": 18}}, "2028-07-01"),
        ({"recurrence": {"type": "forever"}}, None),
        ({"recurrence": {"type": "repeating", "durationInMonths": 401}}, None),
        ({"priceDiscount": {"amount": 20_000, "currency": "USD"}, "carryOver": True}, "2027-04-01"),
        ({"budget": {"amount": 900, "currency": "USD"}}, "2027-03-01"),
        ({"budget": {"amount": 900, "currency": "EUR"}}, "2027-01-01"),
        ({"restrictions": {"products": ["prod_a"]}}, "2027-01-01"),
    ],
)
def test_the_date_of_full_price_may_lie_after_the_periods_shown(fields, expected):
    """The date is null if it does not exist or is more than 400 periods away."""
    voucher = create_voucher(**fields)
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", products=["prod_a"], startsOn="2026-01-01")
    assert look(periods=1)["fullPriceFrom"] == expected


def test_without_a_discount_it_is_full_price_from_the_first_period_on():
    """A trial period has no price."""
    assert look()["fullPriceFrom"] == "2027-01-01"
    assert look(trialPeriods=2)["fullPriceFrom"] == "2027-03-01"
    assert look(trialPeriods=6)["fullPriceFrom"] == "2027-07-01"


def test_a_trial_is_counted_from_the_anchor_and_starts_nothing():
    """The trial is two periods of the plan, and the preview begins with the second."""
    grant(recurrence={"type": "once"})
    answer = look(since="2027-02-01", trialPeriods=2)
    assert [each["trial"] for each in answer["periods"]] == [True, False, False, False]
    assert totals(answer) == [0, 800, 0, 0]
    assert [each["reason"] for each in answer["periods"][0]["skipped"]] == ["trial"]
    assert answer["fullPriceFrom"] == "2027-04-01"


def test_the_date_of_full_price_lies_after_a_discount_that_starts_later():
    """Three periods are shown, and the discount begins in the sixth."""
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2027-06-01")
    answer = look(periods=3)
    assert totals(answer) == [0, 0, 0]
    assert answer["periods"][0]["skipped"][0]["reason"] == "before_start"
    assert answer["fullPriceFrom"] == "2027-07-01"


def test_periods_billed_already_count():
    """One of three cycles is over, and part of the allowance of March is taken."""
    price = {"amount": 1_000, "currency": "USD"}
    grant(priceDiscount=price, recurrence={"type": "repeating", "durationInCycles": 3})
    apply(period={"start": "2027-01-01", "end": "2027-02-01"})
    apply(period={"start": "2027-03-01", "end": "2027-04-01"}, lines=[{"id": "base", "amount": 400}])
    answer = look(since="2027-02-01")
    assert totals(answer) == [1_000, 600, 0, 0]
    assert [each["cycle"] for period in answer["periods"] for each in period["discounts"]] == [3, 3]


def test_a_ramp_shows_its_steps():
    """A cycle that was billed in advance keeps its phase, and the others go by the window."""
    grant(**ramp(phase(50, months=2), phase(amount=1_000, months=2)))
    apply(period={"start": "2027-03-01", "end": "2027-04-01"})
    answer = look(periods=5)
    assert totals(answer) == [4_000, 4_000, 4_000, 1_000, 0]
    assert [each["phase"] for period in answer["periods"] for each in period["discounts"]] == [1, 1, 1, 2]
    assert answer["fullPriceFrom"] == "2027-05-01"


def test_a_ramp_in_cycles_shows_the_places_that_are_left():
    """One of the first two was given back, so it is free again."""
    grant(**ramp(phase(50, cycles=2), phase(25, cycles=2)))
    for number in (1, 2, 3):
        apply(invoice=f"inv_{number}", period={"start": f"2026-0{number}-01", "end": f"2026-0{number + 1}-01"})
    reverse("inv_1")
    answer = look(periods=3)
    assert totals(answer) == [4_000, 2_000, 0]
    assert answer["fullPriceFrom"] == "2027-03-01"


@pytest.mark.parametrize(("unit", "expected"), [("months", [4_000, 0, 2_000, 0]), ("cycles", [4_000, 0, 0, 0])])
def test_a_phase_without_the_currency_is_not_the_end_of_a_ramp_in_months(unit, expected):
    """In cycles it is, because the place of the phase stays free."""
    euro = {"amount": 100, "currency": "EUR"}
    phases = phase(50, **{unit: 1}), phase(amount=euro, **{unit: 1}), phase(25, **{unit: 1})
    voucher = create_voucher(**ramp(*phases))
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2020-01-01", currency="EUR")
    answer = look()
    assert totals(answer) == expected
    assert answer["fullPriceFrom"] == ("2027-04-01" if unit == "months" else "2027-02-01")


def test_a_period_whose_allowance_is_used_up_does_not_end_the_discount():
    """An invoice has taken the allowance already. The next period has its own."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"}, recurrence={"type": "repeating", "durationInCycles": 2})
    apply(period={"start": "2027-01-01", "end": "2027-02-01"})
    answer = look(periods=1)
    assert totals(answer) == [0]
    assert answer["fullPriceFrom"] == "2027-03-01"


def test_a_preview_has_the_rest_of_a_budget_that_others_left():
    """Another subscription has taken 10.00 of the 15.00."""
    granted = grant(priceDiscount={"amount": 1_000, "currency": "USD"}, budget={"amount": 1_500, "currency": "USD"})
    redeem(voucher=granted["voucher"], subscription="sub_2", currency="USD")
    apply(subscription="sub_2")
    assert totals(look(periods=2)) == [500, 0]


def test_without_a_date_the_first_period_is_the_next_that_begins():
    """The period begins today or later, in UTC."""
    with transaction() as session:
        today = session.execute(text("SELECT current_date")).scalar_one()
    answer = look(since=None, interval="day", anchor="2020-01-01", periods=2)
    assert answer["periods"][0]["period"]["start"] == today.isoformat()
    assert look(since="2020-01-01")["periods"][0]["period"]["start"] == "2027-01-01"


def test_a_plan_may_reach_as_far_as_the_calendar():
    """36 periods of 52 years from the last valid day are shown. No further periods are computed."""
    grant(recurrence={"type": "repeating", "durationInCycles": 999})
    answer = look(periods=36, since=None, anchor="2999-12-31", interval="year", intervalCount=52)
    assert len(answer["periods"]) == 36
    assert answer["fullPriceFrom"] is None


def test_nothing_is_written():
    """All tables stay the same."""
    grant(priceDiscount={"amount": 20_000, "currency": "USD"}, carryOver=True)
    grant(budget={"amount": 900, "currency": "USD"}, maximumDiscount={"amount": 100, "currency": "USD"})
    before = contents()
    look()
    assert contents() == before


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"periods": 0}, "periods"),
        ({"periods": 37}, "periods"),
        ({"from": "soon"}, "from"),
        ({"subscription": ""}, "subscription"),
        ({"bogus": 1}, "?"),
        ({"plan": plan(interval="quarter")}, "plan.interval"),
        ({"plan": plan(intervalCount=0)}, "plan.intervalCount"),
        ({"plan": plan(intervalCount=53)}, "plan.intervalCount"),
        ({"plan": plan(anchor="2027-02-30")}, "plan.anchor"),
        ({"plan": plan(currency="XXX")}, "plan.currency"),
        ({"plan": plan(trialPeriods=-1)}, "plan.trialPeriods"),
        ({"plan": plan(lines=[])}, "plan.lines"),
        ({"plan": plan(lines=[{"id": str(index), "amount": 1} for index in range(101)])}, "plan.lines"),
        ({"plan": plan(lines=[{"id": "base", "amount": 1}] * 2)}, "plan.lines"),
        ({"plan": plan(lines=[{"id": "base", "amount": 1.5}])}, "plan.lines.0.amount"),
    ],
)
def test_a_bad_field_is_named(changed, field):
    """The error names the field by its path."""
    body = {"project": "gigs", "subscription": "sub_1", "plan": plan(), **changed}
    with pytest.raises(InvalidRequest) as raised:
        task_named("billing.preview")(request=body)
    assert [each["field"] for each in raised.value.errors] == [field]


@pytest.mark.slow
def test_36_periods_of_20_discounts_take_as_many_statements_as_one():
    """None of the statements scans a table."""
    for _ in range(20):
        grant(budget={"amount": 90_000, "currency": "USD"})
    with counted() as one:
        look(periods=1)
    with counted() as many:
        look(periods=36)
    assert many == one
    with explained() as plans:
        look(periods=36)
    assert len(plans) > 3
    assert [each for each in plans if any(scan in each for scan in SCANS)] == []


@pytest.mark.parametrize("periods", [1, 2, 4])
def test_the_date_of_full_price_lies_after_periods_billed_in_advance(periods):
    """June and July are billed. The preview begins in May, which the window of two months cannot cover."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    for month in (6, 7):
        apply(period={"start": f"2027-0{month}-01", "end": f"2027-0{month + 1}-01"})
    answer = look(periods=periods, since="2027-05-01")
    assert totals(answer) == [0, 800, 800, 0][:periods]
    assert answer["fullPriceFrom"] == "2027-08-01"
