"""Random histories: strategies for invoices with credit lines, and for reversals of such invoices."""

from typing import Any

from hypothesis import strategies as st

from tests.histories.drawing import CURRENCIES, CUSTOMERS, PROJECTS, SUBSCRIPTIONS, body, either, mostly, one_in
from tests.histories.placeholders import (
    UNKNOWN_LINE,
    CreditOf,
    CurrencyOf,
    CycleOf,
    Json,
    NthCrediting,
    NthInvoice,
    NthLine,
    NthSent,
    Part,
)
from tests.histories.request_bodies import INVOICES, LINE, PERIODS, REVERSALS, numbered
from tests.histories.voucher_bodies import CAPS, RECURRENCES, TOTALS

# Applied invoices, and the latest invoices that were sent: of the same batch too, and those that are held back.
CREDITED = st.one_of(
    st.builds(NthInvoice, either(0, 0, 0, 1, 1, 2, 3, 5, 8)),
    st.builds(NthInvoice, either(0, 0, 0, 1, 1, 2, 3, 5, 8)),
    st.builds(NthSent, either(0, 0, 0, 1, 2)),
)
LINES_BY_INDEX = either(*[0] * 8, *[1] * 6, 2, 2, UNKNOWN_LINE)
PARTS = either("rest", "rest", "half", "half", "half", "third", "third", "third", "unit", "unit", "whole", "over")


# A part of a line, usually of the invoice that the whole body is about, and sometimes of another invoice.
CREDITS = st.tuples(LINES_BY_INDEX, PARTS, one_in(7, CREDITED))


def crediting(of: NthInvoice | NthSent, rest: Json, lines: list[Any], first: Any, place: int) -> Json:
    """Return an invoice that credits another one, usually in its currency and cycle."""
    usual = {"currency": CurrencyOf(of), "cycle": CycleOf(of)}
    usual = {name: each for name, each in usual.items() if rest[f"usual_{name}"]}
    rest = {name: each for name, each in rest.items() if not name.startswith("usual_")}
    credited = [
        line if isinstance(line, dict) else credit(line[2] or of, *line[:2])
        for line in [*lines[:place], first, *lines[place:]]
    ]
    return {**rest, **usual, "lines": numbered(credited)}


def credit(of: NthInvoice | NthSent, index: int, part: Part) -> Json:
    """Return a credit line without an id."""
    line = NthLine(of, index)
    return {"amount": CreditOf(line, part), "creditOf": {"invoice": of, "line": line}}


CREDITING_BODIES = st.builds(
    crediting,
    CREDITED,
    body(
        project=PROJECTS,
        subscription=SUBSCRIPTIONS,
        customer=CUSTOMERS,
        currency=CURRENCIES,
        usual_currency=mostly(usual=True),
        period=st.one_of(PERIODS, st.none()),
        cycle=one_in(2, PERIODS),
        usual_cycle=st.integers(0, 2),
        trial=mostly(usual=False),
    ),
    st.lists(st.one_of(LINE, LINE, CREDITS), max_size=3),
    CREDITS,
    st.integers(0, 3),
)


# Composite, because the representation of an invoice's strategy is too long for Hypothesis to print it seven times.
@st.composite
def any_invoices(draw: st.DrawFn) -> Json:
    """Draw an invoice, with credit lines one time in three."""
    drawn: Json = draw(st.one_of(INVOICES, INVOICES, CREDITING_BODIES))
    return drawn


@st.composite
def crediting_invoices(draw: st.DrawFn) -> Json:
    """Draw an invoice with credit lines."""
    drawn: Json = draw(CREDITING_BODIES)
    return drawn


CREDITING_REVERSALS = body(
    project=PROJECTS,
    invoice=st.builds(NthCrediting, either(0, 0, 1, 2)),
    kind=either("voided", "payment_failed", "charged_back"),
)
ANY_REVERSALS = st.one_of(REVERSALS, REVERSALS, CREDITING_REVERSALS)

PRICE = {"currency": "USD", "currencyOptions": {"JPY": 333, "EUR": 901}}
IN_PHASES = [
    {"priceDiscount": {**PRICE, "amount": 1000}, "durationInCycles": 1},
    {"priceDiscountPercentage": 50, "durationInCycles": 1},
    {"priceDiscount": {**PRICE, "amount": 700}, "durationInCycles": 2},
]
GRANTED = st.tuples(
    body(
        priceDiscountPercentage=either(10, 33.33, 100),
        recurrence=either({"type": "once"}, {"type": "forever"}),
        budget=one_in(3, CAPS),
        maximumDiscountInAll=one_in(2, TOTALS),
    ),
    body(
        priceDiscount=either(500, 1000, 5000).map(lambda amount: {**PRICE, "amount": amount}),
        recurrence=RECURRENCES,
        maximumDiscount=one_in(4, CAPS),
        budget=one_in(4, CAPS),
        maximumDiscountInAll=one_in(4, TOTALS),
    ),
    body(
        priceDiscount=either(500, 1000, 5000).map(lambda amount: {**PRICE, "amount": amount}),
        recurrence=either({"type": "forever"}, {"type": "repeating", "durationInCycles": 2}),
        carryOver=st.just(value=True),
    ),
    body(recurrence=st.just({"type": "repeating", "phases": IN_PHASES})),
).map(lambda drawn: [{"project": "gigs", "name": "Granted", **each} for each in drawn])
