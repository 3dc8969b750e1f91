"""Random histories: strategies for the bodies of redemptions, holds, usages, invoices and reversals."""

from datetime import date, timedelta

from hypothesis import strategies as st

from tests.histories.drawing import (
    CURRENCIES,
    CUSTOMERS,
    PLACES,
    PROJECTS,
    REQUESTED_AT,
    SUBSCRIPTIONS,
    TRUE,
    body,
    either,
    mostly,
    one_in,
)
from tests.histories.placeholders import DaysFromNow, Json, Nth, NthCard, NthCode, NthDiscount, NthInvoice

STARTS_ON = either(*["2024-01-31"] * 6, "2024-02-29", "2024-03-02", "2098-01-31", None)
NAMED_VOUCHERS = st.one_of(
    st.builds(Nth, PLACES).map(lambda voucher: {"voucher": voucher}),
    st.builds(Nth, PLACES).map(lambda voucher: {"voucher": voucher}),
    st.one_of(
        *[st.builds(NthCode, st.integers(0, 5))] * 4, either(" summer ", "unknown", "\u200bSummer\u200b", "sum mer")
    ).map(lambda code: {"code": code}),
)
REDEMPTIONS = st.builds(
    lambda reference, rest: {**reference, **rest},
    NAMED_VOUCHERS,
    body(
        project=PROJECTS,
        customer=CUSTOMERS,
        subscription=SUBSCRIPTIONS,
        products=either(["prod_a", "prod_b"], ["prod_a", "prod_b"], ["prod_a"], ["prod_c"], None),
        currency=either("USD", "USD", "USD", "EUR", "JPY", None),
        subtotal=either(12000, 12000, 5000, 4999, None),
        startsOn=STARTS_ON,
        isFirstPurchase=one_in(2, TRUE),
        requestedAt=one_in(2, REQUESTED_AT),
    ),
)
# Redemptions that most vouchers accept.
USUAL_REDEMPTIONS = body(
    project=st.just("gigs"),
    voucher=st.builds(Nth, PLACES),
    customer=CUSTOMERS,
    subscription=SUBSCRIPTIONS,
    products=st.just(["prod_a", "prod_b"]),
    currency=st.just("USD"),
    subtotal=st.just(12000),
    startsOn=st.just("2024-01-31"),
    isFirstPurchase=TRUE,
)
# No hold lapses while a history runs. The step `lapse` lets time pass.
RESERVATIONS = st.builds(
    lambda redemption, ttl: {**redemption, **ttl}, REDEMPTIONS, body(ttl=one_in(3, either(600, 604_800)))
)
HOLDS = body(index=st.integers(0, 9), by_request=mostly(usual=False))
ANOTHER_BODY = either({}, {}, {}, {}, {"customer": "cus_3"}, {"startsOn": "2024-03-03"})
COUNTS = either(
    {"stamp": 1},
    {"stamp": 2},
    {"stamp": 2},
    {"stamp": 3},
    {"usage": 2},
    {"amount": 300},
    {"stamp": 1, "usage": 1, "amount": 50},
)
RECORDS = st.builds(
    lambda counts, rest: {**counts, **rest},
    COUNTS,
    body(
        project=PROJECTS,
        voucher=st.one_of(
            st.builds(NthCard, either(0, 0, 1)), st.builds(NthCard, either(0, 0, 1)), st.builds(Nth, PLACES)
        ),
        customer=CUSTOMERS,
        refType=one_in(3, st.just("receipt_add")),
        createdBy=one_in(3, st.just("till 4")),
        subscription=one_in(2, SUBSCRIPTIONS),
        products=either(["prod_a", "prod_b"], ["prod_a", "prod_b"], None),
        currency=either("USD", "USD", "EUR", None),
        subtotal=either(12000, 4999, None),
        startsOn=either("2024-01-31", "2024-01-31", None),
        isFirstPurchase=one_in(2, TRUE),
    ),
)


def period(start: date, end: date) -> Json:
    """Return a billing period."""
    return {"start": start.isoformat(), "end": end.isoformat()}


# Months on the 31st, weeks, thirty days and years, in the past and far ahead.
MONTHS = ("2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31")
PERIODS = st.one_of(
    st.integers(0, 3).map(lambda index: {"start": MONTHS[index], "end": MONTHS[index + 1]}),
    st.builds(
        lambda first, days, index: period(first + timedelta(days * index), first + timedelta(days * (index + 1))),
        either(date(2024, 1, 31), date(2024, 1, 31), date(2098, 1, 31)),
        either(7, 30),
        st.integers(0, 5),
    ),
    either(2024, 2025, 2098).map(lambda year: period(date(year, 1, 31), date(year + 1, 1, 31))),
    st.builds(
        lambda days, length: {"start": DaysFromNow(days), "end": DaysFromNow(days + length)},
        st.integers(-33, -27),
        either(7, 30, 60),
    ),
)
AMOUNTS = st.one_of(either(-500, 0, 1, 2, 999, 4300, 8000), st.integers(1, 10_000))
LINE = body(amount=AMOUNTS, product=either("prod_a", "prod_b", None), discountable=mostly(usual=True))


def numbered(lines: list[Json]) -> list[Json]:
    """Return the lines with ids."""
    return [{"id": f"line_{index}", **line} for index, line in enumerate(lines)]


# Equal lines are drawn too, because a remaining unit must go to any of them.
LINES = st.one_of(
    st.lists(LINE, min_size=1, max_size=4),
    st.builds(lambda line, count: [line] * count, LINE, st.integers(2, 3)),
).map(numbered)
INVOICES = body(
    project=PROJECTS,
    subscription=SUBSCRIPTIONS,
    customer=CUSTOMERS,
    currency=CURRENCIES,
    period=st.one_of(PERIODS, PERIODS, PERIODS, st.none()),
    trial=mostly(usual=False),
    lines=LINES,
    cycle=one_in(4, PERIODS),
)
# Most reversals name an applied invoice. A few name an unknown invoice.
REVERSALS = st.builds(
    lambda head, kind, lines: {**head, "kind": kind, **({"lines": lines} if kind == "refunded" else {})},
    body(project=PROJECTS, invoice=st.builds(NthInvoice, st.integers(0, 9))),
    either("voided", "payment_failed", "charged_back", "refunded", "refunded", "refunded"),
    st.lists(
        st.fixed_dictionaries(
            {
                "id": either("line_0", "line_0", "line_0", "line_1", "line_7"),
                "amount": either(1, 2, 500, 999, 4300, 8000),
            }
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda line: line["id"],
    ),
)
TO_REDEEM = st.builds(
    lambda reference, rest: {**reference, **rest},
    NAMED_VOUCHERS,
    body(startsOn=STARTS_ON, isFirstPurchase=one_in(2, TRUE)),
)


def previews(
    subscriptions: st.SearchStrategy, customers: st.SearchStrategy, redeemed: st.SearchStrategy
) -> st.SearchStrategy[Json]:
    """Draw previews of monthly plans."""
    return body(
        project=PROJECTS,
        subscription=subscriptions,
        customer=customers,
        redeem=redeemed,
        periods=st.integers(1, 5),
        cycle=either(None, None, period(date(2024, 1, 31), date(2024, 3, 31))),
        plan=st.fixed_dictionaries(
            {
                "interval": st.just("month"),
                "anchor": either("2024-01-31", "2098-01-31"),
                "currency": CURRENCIES,
                "trialPeriods": either(0, 0, 0, 1),
                "lines": LINES,
            }
        ),
        **{"from": either("2024-01-31", "2024-02-10", "2098-01-31")},
    )


PREVIEWS = previews(
    st.one_of(SUBSCRIPTIONS, SUBSCRIPTIONS, st.none()),
    st.one_of(CUSTOMERS, CUSTOMERS, st.none()),
    st.one_of(st.none(), st.lists(TO_REDEEM, max_size=5)),
)
PURCHASES = previews(SUBSCRIPTIONS, CUSTOMERS, st.lists(TO_REDEEM, min_size=1, max_size=4))
ENDED_SUBSCRIPTIONS = body(project=PROJECTS, subscription=SUBSCRIPTIONS)
CHANGE = {
    "project": PROJECTS,
    "discount": st.builds(NthDiscount, st.integers(0, 9)),
    "actor": either("anna", "bert"),
    "note": one_in(3, st.just("Goodwill")),
}
MOVES = body(**CHANGE, subscription=SUBSCRIPTIONS)
EXTENSIONS = st.builds(
    lambda head, more: {**head, **more},
    body(**CHANGE),
    # 600 months reach from the past into the future.
    either({"months": 1}, {"months": 600}, {"months": 600}, {"cycles": 1}, {"cycles": 2}, {"cycles": 998}),
)


def had_elsewhere(months: list[str], *, begin: int, cycles: int) -> Json:
    """Return the fields of a discount that had so many of the months."""
    if not cycles:
        return {}
    last = begin + cycles - 1
    period_ = {"start": months[last], "end": months[last + 1]}
    return {"firstCycleStart": months[begin], "cycles": cycles, "lastCycle": period_}


# Before the invoices, among them, or far ahead.
BEGUN_MONTHS = ["2023-11-30", "2023-12-31", *MONTHS, "2024-06-30", "2024-07-31"]
IMPORTS = st.builds(
    lambda head, had: {**head, **had},
    body(
        project=PROJECTS,
        voucher=st.builds(Nth, PLACES),
        customer=CUSTOMERS,
        subscription=SUBSCRIPTIONS,
        redeemedAt=either("2023-11-01T10:00:00Z", "2023-11-01T10:00:00Z", "2024-02-01T23:30:00-05:00"),
        startsOn=one_in(3, st.just("2024-01-31")),
        actor=one_in(2, st.just("anna")),
        taken=one_in(2, either({"USD": 1}, {"USD": 300}, {"USD": 499}, {"EUR": 2}, {"JPY": 100}, {"USD": 5000})),
    ),
    st.builds(
        lambda begin, cycles: had_elsewhere(BEGUN_MONTHS, begin=begin, cycles=cycles),
        st.integers(0, 4),
        either(0, 1, 1, 1, 2, 3),
    ),
)
