"""Random histories: strategies for the bodies of vouchers and codes, and of changes to them."""

from hypothesis import strategies as st

from tests.histories.drawing import (
    AFTER,
    BEFORE,
    BOUNDARY,
    CUSTOMERS,
    FAR_AHEAD,
    FURTHER_AHEAD,
    LONG_AGO,
    PLACES,
    PRODUCTS,
    PROJECTS,
    TRUE,
    body,
    either,
    one_in,
)
from tests.histories.placeholders import Json, Nth


def merged(changes: list[Json]) -> Json:
    """Return the changes laid over each other. Of the two kinds of price, the later one stays."""
    result: Json = {}
    for change in changes:
        if change.keys() & {"priceDiscount", "priceDiscountPercentage"}:
            result = {key: each for key, each in result.items() if not key.startswith("priceDiscount")}
        result = {**result, **change, **_restrictions_of(result, change)}
    return result


def _restrictions_of(*bodies: Json) -> Json:
    both = {name: each for body in bodies for name, each in body.get("restrictions", {}).items()}
    return {"restrictions": both} if both else {}


CAMPAIGNS = either("spring", "autumn")
CODES = either("SUMMER", "summer", "WINTER-26")

WINDOWS = either(
    {"startsAt": BOUNDARY},
    {"startsAt": BOUNDARY},
    {"startsAt": BOUNDARY, "expiresAt": FAR_AHEAD},
    {"expiresAt": BOUNDARY},
    {"expiresAt": BOUNDARY},
    {"startsAt": BEFORE, "expiresAt": BOUNDARY},
    {"expiresAt": AFTER},
    {"expiresAt": LONG_AGO},
    {"expiresAt": FAR_AHEAD},
    {"startsAt": FAR_AHEAD},
)

PRICES = st.one_of(
    either(0.01, 5, 10, 12.5, 33.3333, 50, 100).map(lambda percentage: {"priceDiscountPercentage": percentage}),
    body(
        amount=either(1, 500, 999, 5000),
        currency=either("USD", "USD", "EUR"),
        currencyOptions=one_in(2, either({"JPY": 700}, {"JPY": 333, "GBP": 7})),
    ).map(lambda price: {"priceDiscount": price}),
)

RECURRENCES = st.one_of(
    st.just({"type": "once"}),
    either(1, 2, 3, 12).map(lambda months: {"type": "repeating", "durationInMonths": months}),
    either(1, 2, 3).map(lambda cycles: {"type": "repeating", "durationInCycles": cycles}),
    st.just({"type": "forever"}),
)

LEAST = {"amount": 1000, "currency": "USD"}
MINIMUMS = either({"amount": 5000, "currency": "USD"}, {**LEAST, "on": "invoice"})

PHASES = st.builds(
    lambda unit, phases: [{**price, unit: duration} for price, duration in phases],
    either("durationInMonths", "durationInCycles"),
    st.lists(st.tuples(PRICES, either(1, 1, 2, 3)), min_size=1, max_size=3),
)
RAMPS = PHASES.map(lambda phases: {"recurrence": {"type": "repeating", "phases": phases}})

RESTRICTIONS = st.builds(
    lambda window, others, products: {**(window or {}), **others, **(products or {})},
    one_in(2, WINDOWS),
    body(
        maximumRedemptions=one_in(2, either(1, 2, 3)),
        maximumRedemptionsPerCustomer=one_in(3, either(1, 2)),
        minimumSubtotal=one_in(4, MINIMUMS),
        firstPurchaseOnly=one_in(5, TRUE),
    ),
    one_in(3, PRODUCTS),
)

CAPS = either(
    {"amount": 300, "currency": "USD"},
    {"amount": 2500, "currency": "USD"},
    {"amount": 300, "currency": "USD", "currencyOptions": {"EUR": 1, "JPY": 700}},
)

TOTALS = either(
    {"amount": 700, "currency": "USD"},
    {"amount": 1500, "currency": "USD", "currencyOptions": {"EUR": 901, "JPY": 333}},
)

CARDS = either({"stamps": 2}, {"stamps": 3, "expireDays": 30})


def voucher(price: Json, rest: Json, carry_over: bool | None, ramp: Json | None) -> Json:
    """Return the body of a voucher. Only an amount may carry over, as the only total, and a ramp has no price."""
    if ramp is not None:
        return {**rest, **ramp}
    may_carry_over = "priceDiscount" in price and rest["recurrence"]["type"] != "once"
    if carry_over is None or not may_carry_over:
        return {**price, **rest}
    if carry_over:
        rest = {name: each for name, each in rest.items() if name != "maximumDiscountInAll"}
    return {**price, **rest, "carryOver": carry_over}


VOUCHERS = st.builds(
    voucher,
    PRICES,
    body(
        project=PROJECTS,
        name=st.just("A voucher"),
        code=one_in(2, CODES),
        recurrence=RECURRENCES,
        restrictions=RESTRICTIONS,
        metadata=one_in(5, st.just({"campaign": "spring", "tries": 3})),
        stampCard=one_in(4, CARDS),
        maximumDiscount=one_in(4, CAPS),
        maximumDiscountInAll=one_in(3, TOTALS),
        budget=one_in(3, CAPS),
        campaign=one_in(3, CAMPAIGNS),
        exclusive=one_in(6, st.booleans()),
        priority=one_in(3, either(0, 100, 1000)),
    ),
    st.sampled_from([True, True, True, False, None, None]),
    one_in(4, RAMPS),
)

RETIREMENTS = body(project=PROJECTS, voucher=st.builds(Nth, PLACES))

NEW_CODES = body(
    code=either("VIP", "Vip", "FRIEND-1", "friend-2", " summer "),
    maximumRedemptions=one_in(2, either(1, 2, 3)),
    expiresAt=one_in(3, either(LONG_AGO, BOUNDARY, BOUNDARY, FAR_AHEAD, FURTHER_AHEAD)),
    customer=one_in(4, CUSTOMERS),
    maximumRedemptionsPerCustomer=one_in(3, either(1, 1, 2)),
)

ADDED_CODES = body(
    project=PROJECTS,
    voucher=st.builds(Nth, PLACES),
    codes=st.lists(NEW_CODES, min_size=1, max_size=3, unique_by=lambda code: code["code"].strip().lower()),
)

# None is sent as null, which removes a field. So `body`, which leaves out None, is not used here.
CHANGES = st.one_of(
    st.one_of(
        st.fixed_dictionaries({"expiresAt": either(None, None, LONG_AGO, BOUNDARY, FAR_AHEAD)}),
        st.fixed_dictionaries({"startsAt": either(None, LONG_AGO, BOUNDARY, FAR_AHEAD)}),
        st.fixed_dictionaries({"maximumRedemptions": either(None, 1, 2, 3)}),
        st.fixed_dictionaries({"maximumRedemptionsPerCustomer": either(None, 1, 2)}),
        st.fixed_dictionaries({"products": either(None, ["prod_a"], ["prod_b"])}),
        st.fixed_dictionaries({"excludedProducts": either(None, ["prod_b"], ["prod_c"])}),
        st.fixed_dictionaries({"firstPurchaseOnly": st.booleans()}),
        st.fixed_dictionaries(
            {"minimumSubtotal": either(None, {"amount": 4999, "currency": "USD"}, {**LEAST, "on": "invoice"})}
        ),
    ).map(lambda restriction: {"restrictions": restriction}),
    st.fixed_dictionaries({"name": st.just("Another name")}),
    st.fixed_dictionaries({"metadata": either({}, {"campaign": "autumn"})}),
    st.fixed_dictionaries({"code": either(None, "SUMMER", "Winter-26", "AUTUMN")}),
    st.fixed_dictionaries({"campaign": either(None, "spring")}),
    st.fixed_dictionaries({"recurrence": RECURRENCES}),
    RAMPS,
    PRICES,
    either({"priceDiscount": None}, {"priceDiscountPercentage": None}),
    st.one_of(
        st.fixed_dictionaries({"maximumDiscount": either(None, {"amount": 299, "currency": "USD"})}),
        st.fixed_dictionaries({"budget": either(None, {"amount": 299, "currency": "USD"})}),
        st.fixed_dictionaries({"budget": CAPS}),
        st.fixed_dictionaries({"maximumDiscountInAll": either(None, {"amount": 899, "currency": "USD"})}),
        st.fixed_dictionaries({"priority": either(0, 500)}),
        st.fixed_dictionaries({"exclusive": st.booleans()}),
    ),
    either({"carryOver": True}, {"carryOver": False}, {"stampCard": None}, {"stampCard": {"stamps": 2}}),
)

UPDATES = st.builds(
    lambda head, changes: {**head, **merged(changes)},
    body(project=PROJECTS, voucher=st.builds(Nth, PLACES)),
    st.lists(CHANGES, min_size=1, max_size=3),
)
