"""`billing.preview` answers the same as `billing.apply` later."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tasks.invoices.preview import SHOWN
from tests.histories import drawing, request_bodies, voucher_bodies
from tests.histories.placeholders import Json, World, made
from tests.support.database_between_tests import empty_database
from tests.support.requests import apply, create_voucher, invoice, redeem, voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

WORLD = World(start=datetime(2026, 11, 1, tzinfo=UTC), vouchers=[], cards=[], codes=[])
VOUCHERS = st.lists(voucher_bodies.VOUCHERS.filter(lambda body: "stampCard" not in body), min_size=1, max_size=4)
# Before, between and after the previewed periods.
BILLED = st.builds(
    lambda start, days: request_bodies.period(start, start + timedelta(days)),
    st.sampled_from([date(2026, 6, 1), date(2026, 12, 31), date(2027, 1, 31), date(2027, 2, 28), date(2027, 3, 31)]),
    st.sampled_from([7, 30]),
)
PLANS = st.fixed_dictionaries(
    {
        "interval": st.sampled_from(["day", "week", "month", "month", "year"]),
        "intervalCount": st.integers(1, 3),
        "anchor": st.sampled_from(["2027-01-31", "2027-01-01", "2026-02-14"]),
        "currency": drawing.CURRENCIES,
        "lines": request_bodies.LINES,
        "trialPeriods": st.sampled_from([0, 0, 0, 1, 2]),
    }
)


@pytest.mark.slow
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    new=VOUCHERS,
    billed=st.lists(st.tuples(request_bodies.INVOICES, BILLED), max_size=4),
    terms=PLANS,
    periods=st.integers(1, 8),
    since=st.sampled_from(["2027-01-01", "2027-02-28", "2026-06-01"]),
)
def test_a_preview_equals_the_later_invoices(new, billed, terms, periods, since):
    """The previewed periods are billed in order, after any vouchers and earlier invoices."""
    empty_database()
    for body in new:
        unlimited = {name: each for name, each in body.items() if name not in {"project", "code", "restrictions"}}
        given = body.get("restrictions", {})
        products = given.get("products")
        kept = {name: given[name] for name in ("products", "excludedProducts") if name in given}
        if given.get("minimumSubtotal", {}).get("on") == "invoice":
            kept["minimumSubtotal"] = given["minimumSubtotal"]
        voucher = create_voucher(**voucher_body(**unlimited, restrictions=kept))
        # The currency must be one of each amount, and those of a ramp are in its phases.
        priced = (each.get("priceDiscount") for each in (body, *body["recurrence"].get("phases", ())))
        currencies = [{each["currency"], *each.get("currencyOptions", ())} for each in priced if each]
        shared = set.intersection(*currencies) if currencies else {"USD"}
        currency = min(shared, default="USD")
        request = {"voucher": voucher["id"], "products": products or [], "currency": currency}
        starts_on = {"startsOn": "2026-01-01"} if len(new) % 2 else {"startsOn": "2027-03-15"}
        # An exclusive voucher runs alone.
        possible = {None, "not_combinable"} if shared else {"currency_mismatch"}
        assert redeem(**request, **starts_on, subscription="sub_1")["reason"] in possible
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
