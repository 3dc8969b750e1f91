"""Previews: what the coming periods of a plan will be billed, and from when on it is the full price."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from models.base import Base
from tasks.invoices.preview import SHOWN
from tasks.wire.errors import InvalidRequest
from tests.histories import bodies as drawn
from tests.histories.bodies import Json, World, made
from tests.support.database import empty_database
from tests.support.requests import apply, create_voucher, invoice, redeem, voucher_body
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def plan(**fields) -> dict:
    """This function will return a plan over 80.00 USD a month from January 2027 on, or as said otherwise."""
    base = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    return {**base, **fields}


def look(*, periods: int = 4, since: str | None = "2027-01-01", **fields) -> dict:
    """This function will preview sub_1."""
    body = {"project": "gigs", "subscription": "sub_1", "periods": periods, "plan": plan(**fields)}
    answer: dict = task_named("billing.preview")(request=body if since is None else {**body, "from": since})
    return answer


def grant(**fields) -> dict:
    """This function will redeem a new voucher of 10 % on sub_1, or another one."""
    voucher = create_voucher(**fields)
    return redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2026-01-01")


def totals(answer: dict) -> list[int]:
    """This function will return what each period gets."""
    return [each["discountTotal"] for each in answer["periods"]]


def contents() -> dict[str, list]:
    """This function will return every row of every table."""
    with transaction() as session:
        return {table.name: list(session.execute(select(table)).all()) for table in Base.metadata.sorted_tables}


def test_each_period_is_shown_as_its_invoice_will_be():
    """The first of two months, and what follows."""
    granted = grant(recurrence={"type": "repeating", "durationInMonths": 2})
    answer = look(periods=3)
    first, _, third = answer.pop("periods")
    assert answer == {
        "object": "preview",
        "project": "gigs",
        "subscription": "sub_1",
        "currency": "USD",
        "fullPriceFrom": "2027-03-01",
    }
    assert first == {
        "period": {"start": "2027-01-01", "end": "2027-02-01"},
        "trial": False,
        "subtotal": 8_000,
        "discountTotal": 800,
        "total": 7_200,
        "lines": [{"id": "base", "amount": 8_000, "discount": 800, "total": 7_200}],
        "discounts": [
            {
                "discount": granted["discount"],
                "voucher": granted["voucher"],
                "amount": 800,
                "lines": {"base": 800},
                "cycle": 1,
                "endsOn": "2027-03-01",
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
def test_the_date_of_full_price_is_known_beyond_what_is_shown(fields, expected):
    """Unless there is none, or it is more than 400 periods away."""
    voucher = create_voucher(**fields)
    redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", products=["prod_a"], startsOn="2026-01-01")
    assert look(periods=1)["fullPriceFrom"] == expected


def test_without_a_discount_it_is_full_price_from_the_first_period_on():
    """Behind the trial."""
    assert look()["fullPriceFrom"] == "2027-01-01"
    assert look(trialPeriods=2)["fullPriceFrom"] == "2027-03-01"
    assert look(trialPeriods=6)["fullPriceFrom"] == "2027-07-01"


def test_a_trial_is_counted_from_the_anchor_and_starts_nothing():
    """Two of the plan's periods, of which the first is over."""
    grant(recurrence={"type": "once"})
    answer = look(since="2027-02-01", trialPeriods=2)
    assert [each["trial"] for each in answer["periods"]] == [True, False, False, False]
    assert totals(answer) == [0, 800, 0, 0]
    assert [each["reason"] for each in answer["periods"][0]["skipped"]] == ["trial"]
    assert answer["fullPriceFrom"] == "2027-04-01"


def test_a_discount_that_starts_later_is_waited_for():
    """Three periods are shown; the discount begins in the sixth."""
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2027-06-01")
    answer = look(periods=3)
    assert totals(answer) == [0, 0, 0]
    assert answer["periods"][0]["skipped"][0]["reason"] == "before_start"
    assert answer["fullPriceFrom"] == "2027-07-01"


def test_what_was_billed_already_counts():
    """Of three cycles one is over, and of the allowance of March half is taken."""
    price = {"amount": 1_000, "currency": "USD"}
    grant(priceDiscount=price, recurrence={"type": "repeating", "durationInCycles": 3})
    apply(period={"start": "2027-01-01", "end": "2027-02-01"})
    apply(period={"start": "2027-03-01", "end": "2027-04-01"}, lines=[{"id": "base", "amount": 400}])
    answer = look(since="2027-02-01")
    assert totals(answer) == [1_000, 600, 0, 0]
    assert [each["cycle"] for period in answer["periods"] for each in period["discounts"]] == [3, 3]


def test_a_period_whose_allowance_is_gone_does_not_end_the_discount():
    """It is taken by an invoice that is there already; the next one has an allowance of its own."""
    grant(priceDiscount={"amount": 1_000, "currency": "USD"}, recurrence={"type": "repeating", "durationInCycles": 2})
    apply(period={"start": "2027-01-01", "end": "2027-02-01"})
    answer = look(periods=1)
    assert totals(answer) == [0]
    assert answer["fullPriceFrom"] == "2027-03-01"


def test_what_others_leave_of_a_budget_is_what_there_is():
    """15.00, of which another subscription has had 10.00."""
    granted = grant(priceDiscount={"amount": 1_000, "currency": "USD"}, budget={"amount": 1_500, "currency": "USD"})
    redeem(voucher=granted["voucher"], subscription="sub_2", currency="USD")
    apply(subscription="sub_2")
    assert totals(look(periods=2)) == [500, 0]


def test_without_a_date_the_first_period_is_the_next_that_begins():
    """Today or later, in UTC."""
    with transaction() as session:
        today = session.execute(text("SELECT current_date")).scalar_one()
    answer = look(since=None, interval="day", anchor="2020-01-01", periods=2)
    assert answer["periods"][0]["period"]["start"] == today.isoformat()
    assert look(since="2020-01-01")["periods"][0]["period"]["start"] == "2027-01-01"


def test_a_plan_may_reach_as_far_as_the_calendar():
    """52 years a period, 36 of them, from the last day that can be sent; and no further for the date of full price."""
    grant(recurrence={"type": "repeating", "durationInCycles": 999})
    answer = look(periods=36, since=None, anchor="2999-12-31", interval="year", intervalCount=52)
    assert len(answer["periods"]) == 36
    assert answer["fullPriceFrom"] is None


def test_nothing_is_written():
    """Not a row, not a mark."""
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
        ({"bogus": 1}, "bogus"),
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
    """By its path."""
    body = {"project": "gigs", "subscription": "sub_1", "plan": plan(), **changed}
    with pytest.raises(InvalidRequest) as raised:
        task_named("billing.preview")(request=body)
    assert [each["field"] for each in raised.value.errors] == [field]


def test_36_periods_of_20_discounts_take_as_many_statements_as_one():
    """And none of them reads a table."""
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


VOUCHERS = st.lists(drawn.VOUCHERS.filter(lambda body: "stampCard" not in body), min_size=1, max_size=4)
# Before, among and behind the periods that are previewed.
BILLED = st.builds(
    lambda start, days: drawn.period(start, start + timedelta(days)),
    st.sampled_from([date(2026, 6, 1), date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31)]),
    st.sampled_from([7, 30]),
)
PLANS = st.fixed_dictionaries(
    {
        "interval": st.sampled_from(["day", "week", "month", "month", "year"]),
        "intervalCount": st.integers(1, 3),
        "anchor": st.sampled_from(["2027-01-31", "2027-01-01", "2026-02-14"]),
        "currency": drawn.CURRENCIES,
        "lines": drawn.LINES,
        "trialPeriods": st.sampled_from([0, 0, 0, 1, 2]),
    }
)


@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    new=VOUCHERS,
    billed=st.lists(st.tuples(drawn.INVOICES, BILLED), max_size=4),
    terms=PLANS,
    periods=st.integers(1, 8),
    since=st.sampled_from(["2027-01-01", "2027-02-28", "2026-06-01"]),
)
def test_what_is_previewed_is_what_is_billed_then(new, billed, terms, periods, since):
    """Any vouchers, whatever was billed before; in the order of the periods, field by field."""
    empty_database()
    for body in new:
        unlimited = {name: each for name, each in body.items() if name not in {"project", "code", "restrictions"}}
        products = body.get("restrictions", {}).get("products")
        restrictions = {"restrictions": {"products": products}} if products else {}
        voucher = create_voucher(**voucher_body(**unlimited, **restrictions))
        currency = body.get("priceDiscount", {"currency": "USD"})["currency"]
        request = {"voucher": voucher["id"], "products": products or [], "currency": currency}
        starts_on = {"startsOn": "2026-01-01"} if len(new) % 2 else {"startsOn": "2027-03-15"}
        assert redeem(**request, **starts_on, subscription="sub_1")["outcome"] == "accepted"
    for body, period in billed:
        earlier: Json = made(body, world=WORLD)
        task_named("billing.apply")(
            request=invoice(**{**earlier, "project": "gigs", "subscription": "sub_1", "period": period})
        )
    body = {"project": "gigs", "subscription": "sub_1", "plan": terms, "periods": periods, "from": since}
    found = task_named("billing.preview")(request=body)
    for each in found["periods"]:
        answer = apply(period=each["period"], trial=each["trial"], currency=terms["currency"], lines=terms["lines"])
        assert {name: answer[name] for name in SHOWN} == {name: each[name] for name in SHOWN}


WORLD = World(start=datetime(2026, 11, 1, tzinfo=UTC), vouchers=[], cards=[], codes=[])


@pytest.mark.parametrize("periods", [1, 2, 4])
def test_the_date_of_full_price_lies_behind_what_is_billed_in_advance(periods):
    """June and July are; the preview begins in May, which the window of two months cannot reach."""
    grant(recurrence={"type": "repeating", "durationInMonths": 2})
    for month in (6, 7):
        apply(period={"start": f"2027-0{month}-01", "end": f"2027-0{month + 1}-01"})
    answer = look(periods=periods, since="2027-05-01")
    assert totals(answer) == [0, 800, 800, 0][:periods]
    assert answer["fullPriceFrom"] == "2027-08-01"
