"""`billing.preview` with `redeem`: the periods as if the accepted vouchers were redeemed now, and nothing written."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from models.discounts.discount import DISCOUNTS
from models.discounts.subscription import SUBSCRIPTIONS
from models.vouchers.voucher import VOUCHERS
from tasks.wire.errors import InvalidRequest
from tests.invoices.previews import contents, grant, plan, preview, reasons, totals
from tests.invoices.purchases import buy
from tests.support.endings import end
from tests.support.holds import reserve
from tests.support.ramps import phase, ramp
from tests.support.requests import add_codes, apply, create_voucher, redeem
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

FIVE = {"amount": 500, "currency": "USD"}
EURO = {"amount": 100, "currency": "EUR"}
SINCE = {"startsOn": "2027-01-01"}


def test_the_periods_show_existing_discounts_and_then_the_new_ones():
    """A new discount has no id, and its voucher names it. Discounts for products come first, as on an invoice."""
    granted = grant(priceDiscount={"amount": 6_000, "currency": "USD"})
    half = create_voucher(priceDiscountPercentage=50, recurrence={"type": "once"})
    product = create_voucher(priceDiscount=FIVE, restrictions={"products": ["prod_a"]})
    late = create_voucher()
    lines = [{"id": "base", "amount": 8_000, "product": "prod_a"}]
    answer = buy(
        {"voucher": half["id"], **SINCE},
        {"voucher": product["id"], **SINCE},
        {"voucher": late["id"], "startsOn": "2027-02-01"},
        plan=plan(lines=lines),
        periods=2,
    )
    first, second = answer["periods"]
    assert [(each["discount"], each["voucher"], each["amount"]) for each in first["discounts"]] == [
        (None, product["id"], 500),
        (granted["discount"], granted["voucher"], 6_000),
        (None, half["id"], 750),
    ]
    assert first["skipped"] == [{"discount": None, "voucher": late["id"], "reason": "before_start"}]
    assert [each["amount"] for each in second["discounts"]] == [500, 6_000, 150]
    assert answer["fullPriceFrom"] is None


@pytest.mark.parametrize(
    ("terms", "expected", "full_price_from"),
    [
        ({"recurrence": {"type": "once"}}, [800, 0, 0, 0], "2027-02-01"),
        ({"recurrence": {"type": "repeating", "durationInMonths": 2}}, [800, 800, 0, 0], "2027-03-01"),
        ({"recurrence": {"type": "repeating", "durationInCycles": 3}}, [800, 800, 800, 0], "2027-04-01"),
        ({"recurrence": {"type": "repeating", "durationInCycles": 9}}, [800] * 4, "2027-10-01"),
        ({"recurrence": {"type": "forever"}}, [800] * 4, None),
        ({"priceDiscountPercentage": 33.33}, [2_666] * 4, None),
        (
            {"priceDiscount": {"amount": 20_000, "currency": "USD"}, "carryOver": True},
            [8_000, 8_000, 4_000, 0],
            "2027-04-01",
        ),
        ({"priceDiscount": {"amount": 20_000, "currency": "USD"}}, [8_000] * 4, None),
        ({"budget": {"amount": 2_000, "currency": "USD"}}, [800, 800, 400, 0], "2027-04-01"),
        (ramp(phase(50, months=2), phase(25, months=1)), [4_000, 4_000, 2_000, 0], "2027-04-01"),
        (ramp(phase(50, cycles=1), phase(amount=500, cycles=6)), [4_000, 500, 500, 500], "2027-08-01"),
        (ramp(phase(50, months=1), phase(amount=EURO, months=1), phase(25, months=9)), [0] * 4, "2027-01-01"),
        ({"maximumDiscount": {"amount": 300, "currency": "USD"}}, [300] * 4, None),
        ({"maximumDiscount": {"amount": 300, "currency": "EUR"}}, [0] * 4, "2027-01-01"),
    ],
)
def test_what_is_shown_is_what_comes(terms, expected, full_price_from):
    """A voucher of every kind is previewed, then redeemed and billed."""
    voucher = create_voucher(**terms)
    answer = buy({"voucher": voucher["id"], **SINCE})
    assert totals(answer) == expected
    assert answer["fullPriceFrom"] == full_price_from


def test_a_discount_can_begin_later_and_after_a_trial():
    """The first of four periods is a trial, and the discount begins in the third."""
    voucher = create_voucher(recurrence={"type": "once"})
    answer = buy({"voucher": voucher["id"], "startsOn": "2027-03-10"}, plan=plan(trialPeriods=1))
    assert totals(answer) == [0, 0, 800, 0]
    assert answer["fullPriceFrom"] == "2027-04-01"


def test_without_a_first_day_the_discount_begins_today():
    """Today is in UTC, long before these periods and long after those."""
    voucher = create_voucher()
    past = plan(anchor="2020-01-01")
    assert totals(preview(plan=past, redeem=[{"voucher": voucher["id"]}], **{"from": "2020-01-01"})) == [0] * 4
    assert totals(preview(redeem=[{"voucher": voucher["id"]}])) == [800] * 4


def test_a_new_discount_has_the_rest_of_a_budget_that_others_left():
    """Another subscription has taken 10.00 of the 15.00."""
    voucher = create_voucher(priceDiscountPercentage=50, budget={"amount": 1_500, "currency": "USD"})
    redeem(voucher=voucher["id"], subscription="sub_2", **SINCE)
    apply(subscription="sub_2", lines=[{"id": "base", "amount": 2_000}])
    assert totals(buy({"voucher": voucher["id"], **SINCE})) == [500, 0, 0, 0]


def test_a_new_discount_shares_the_budget_of_an_ended_one():
    """The discount that was ended keeps the amount that it took. The voucher is redeemed again."""
    granted = grant(budget={"amount": 1_500, "currency": "USD"})
    apply(period={"start": "2026-12-01", "end": "2027-01-01"})
    end(granted["discount"])
    answer = buy({"voucher": granted["voucher"], **SINCE}, periods=2)
    assert totals(answer) == [700, 0]


def test_nobody_pays_the_full_price_without_vouchers():
    """Neither a subscription nor a voucher."""
    grant()
    answer = preview()
    assert (answer["subscription"], answer["redeem"], totals(answer)) == (None, [], [0] * 4)
    assert answer["fullPriceFrom"] == "2027-01-01"


def everything_to_redeem() -> list[dict]:
    """Return 20 codes with limits, budgets, balances and held places, so that each kind of statement is sent."""
    limits = {"maximumRedemptions": 50, "maximumRedemptionsPerCustomer": 2}
    for number in range(20):
        balance = {"priceDiscount": {"amount": 90_000, "currency": "USD"}, "carryOver": True}
        voucher = create_voucher(restrictions=limits, budget={"amount": 90_000, "currency": "USD"}, **balance)
        add_codes(voucher, {"code": f"CODE-{number}", "maximumRedemptions": 3})
        reserve(code=f"CODE-{number}", currency="USD")
    return [{"code": f"CODE-{number}"} for number in range(20)]


def test_nothing_is_written():
    """All tables stay the same."""
    codes = everything_to_redeem()
    before = contents()
    assert reasons(preview(subscription="sub_1", customer="cus_1", redeem=codes)) == [None] * 20
    assert contents() == before


def test_20_codes_take_as_many_statements_as_one():
    """They read one snapshot, lock no row and scan no table."""
    codes = everything_to_redeem()
    grant()
    who = {"customer": "cus_1", "subscription": "sub_1"}
    with counted() as one:
        preview(**who, redeem=codes[:1])
    with counted() as many:
        preview(**who, redeem=codes)
    assert many == one
    first, *others = many
    assert first == "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
    assert {each.split()[0] for each in others} == {"SELECT"}
    assert [each for each in others if " FOR " in each] == []
    with explained() as plans:
        preview(**who, redeem=codes)
    assert len(plans) > 10
    assert [each for each in plans if any(scan in each for scan in SCANS)] == []


def test_without_vouchers_no_statement_about_redemptions_is_sent():
    """One voucher adds them."""
    voucher = create_voucher()
    with counted() as without:
        preview(subscription="sub_1")
    with counted() as with_voucher:
        preview(subscription="sub_1", redeem=[{"voucher": voucher["id"]}])
    about = ("FROM redemptions", "JOIN vouchers")
    assert [each for each in without if any(name in each for name in about)] == []
    assert [each for each in with_voucher if any(name in each for name in about)] != []


def test_a_preview_waits_for_no_lock():
    """Another transaction has locked every voucher and subscription."""
    voucher = create_voucher(code="SUMMER")
    grant()
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        for table in (VOUCHERS, SUBSCRIPTIONS, DISCOUNTS):
            holder.execute(select(table).with_for_update())
        looking = threads.submit(preview, subscription="sub_1", redeem=[{"voucher": voucher["id"]}])
        assert reasons(looking.result(timeout=30)) == [None]


def test_the_order_typed_decides():
    """Of two percentages the first typed is taken first."""
    half, tenth = (create_voucher(priceDiscountPercentage=each)["id"] for each in (50, 10))
    for vouchers, expected in (((half, tenth), [4_000, 400]), ((tenth, half), [800, 3_600])):
        (period,) = preview(periods=1, redeem=[{"voucher": each} for each in vouchers])["periods"]
        assert [(each["voucher"], each["amount"]) for each in period["discounts"]] == list(
            zip(vouchers, expected, strict=True)
        )


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({"redeem": ["SUMMER"]}, ["redeem.0"]),
        ({"redeem": [{}]}, ["redeem.0.code"]),
        ({"redeem": [{"code": "SUMMER", "voucher": "vou_01m80jhp2gen0s4fxq6tp9p4dj"}]}, ["redeem.0.code"]),
        ({"redeem": [{"code": "SUMMER"}, {"voucher": "SUMMER"}]}, ["redeem.1.voucher"]),
        ({"redeem": [{"code": "SUMMER", "startsOn": "soon", "more": 1}]}, ["redeem.0.startsOn", "redeem.0.?"]),
        ({"redeem": [{"code": "SUMMER"}] * 21}, ["redeem"]),
        ({"redeem": None}, ["redeem"]),
        ({"customer": ""}, ["customer"]),
    ],
)
def test_a_bad_field_is_named(changed, fields):
    """By its path."""
    with pytest.raises(InvalidRequest) as raised:
        task_named("billing.preview")(request={"project": "gigs", "plan": plan(), **changed})
    assert [each["field"] for each in raised.value.errors] == fields
