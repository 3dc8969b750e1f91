"""What is drawn: bodies in a small world, so that they meet. Some of their values are only known when they are sent."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]


@dataclass(frozen=True)
class Minutes:
    """An instant so many minutes after the history's start, written with an offset of so many hours."""

    count: int
    offset: int = 0


@dataclass(frozen=True)
class Nth:
    """The id of one of the vouchers that were created, counted from the first and round again."""

    index: int


@dataclass(frozen=True)
class NthCard:
    """The id of one of the vouchers with a stamp card, counted in the same way; of any voucher where none has one."""

    index: int


@dataclass(frozen=True)
class NthCode:
    """The text of one of the codes that there are, counted in the same way, in capitals."""

    index: int


@dataclass(frozen=True)
class NthInvoice:
    """The id of one of the invoices that were applied, counted in the same way; an unknown one where there is none."""

    index: int


@dataclass(frozen=True)
class DaysFromNow:
    """The calendar day so many days after the history's start, in UTC."""

    count: int


@dataclass(frozen=True)
class Fresh:
    """A request that was not sent before."""

    body: Json


@dataclass(frozen=True)
class Again:
    """An earlier request, word for word, or with its fields in the other spelling."""

    index: int
    in_snake_case: bool = False


@dataclass(frozen=True)
class Changed:
    """The id of an earlier request with another body."""

    index: int
    body: Json


Item = Fresh | Again | Changed


@dataclass(frozen=True)
class World:
    """What a body can name: when the history began, the ids of the vouchers there are, and the texts of the codes."""

    start: datetime
    vouchers: Sequence[str]
    cards: Sequence[str]
    codes: Sequence[str]
    invoices: Sequence[str] = ()


def made(value: Any, *, world: World) -> Any:
    """This function will return a drawn body as it is sent."""
    match value:
        case Minutes(count, offset):
            result: Any = (
                (world.start + timedelta(minutes=count)).astimezone(timezone(timedelta(hours=offset))).isoformat()
            )
        case DaysFromNow(count):
            result = (world.start.date() + timedelta(days=count)).isoformat()
        case Nth(index):
            result = nth(world.vouchers, index)
        case NthCard(index):
            result = nth(world.cards or world.vouchers, index)
        case NthInvoice(index):
            result = nth(world.invoices or ["unknown"], index)
        case NthCode(index):
            result = nth(world.codes or ["unknown"], index).upper()
        case dict():
            result = {key: made(each, world=world) for key, each in value.items()}
        case list():
            result = [made(each, world=world) for each in value]
        case _:
            result = value
    return result


def nth(values: Sequence[str], index: int) -> str:
    """This function will return one of the values, counted round and round."""
    return values[index % len(values)]


def in_snake_case(value: Any) -> Any:
    """This function will return a body with its fields in the other spelling that is accepted."""
    return _renamed(value, lambda name: re.sub("(?<!^)([A-Z])", r"_\1", name).lower())


def meant(body: Json) -> Json:
    """This function will return a body as the contract spells it, with the blanks around codes trimmed."""
    spelt: Json = _renamed(body, lambda name: re.sub("_([a-z])", lambda found: found[1].upper(), name))
    added = {"codes": [meant(each) for each in spelt["codes"]]} if "codes" in spelt else {}
    return {**spelt, **added, **({"code": spelt["code"].strip()} if spelt.get("code") else {})}


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    match value:
        case dict():
            # The names in currencyOptions are currencies.
            return {key if key.isupper() else rename(key): _renamed(each, rename) for key, each in value.items()}
        case list():
            return [_renamed(each, rename) for each in value]
    return value


def one_in(count: int, strategy: st.SearchStrategy) -> st.SearchStrategy:
    """This function will leave a field out but for one time in so many."""
    return st.sampled_from([False] * (count - 1) + [True]).flatmap(lambda given: strategy if given else st.none())


def body(**fields: st.SearchStrategy) -> st.SearchStrategy[Json]:
    """This function will draw a JSON object without those of its fields that are None."""
    return st.fixed_dictionaries(fields).map(
        lambda drawn: {key: each for key, each in drawn.items() if each is not None}
    )


def merged(changes: list[Json]) -> Json:
    """This function will lay changes over each other. Of the two kinds of price the later one stays."""
    result: Json = {}
    for change in changes:
        if change.keys() & {"priceDiscount", "priceDiscountPercentage"}:
            result = {key: each for key, each in result.items() if not key.startswith("priceDiscount")}
        result = {**result, **change, **_restrictions_of(result, change)}
    return result


def _restrictions_of(*bodies: Json) -> Json:
    both = {name: each for body in bodies for name, each in body.get("restrictions", {}).items()}
    return {"restrictions": both} if both else {}


def either(*values: Any) -> st.SearchStrategy:
    """This function will draw one of the values; what stands there often comes often."""
    return st.sampled_from(values)


def mostly(*, usual: bool) -> st.SearchStrategy[bool]:
    """This function will draw a truth value, nine times in ten the usual one."""
    return st.sampled_from([usual] * 9 + [not usual])


# The first vouchers are asked for most, so that their limits are reached.
PLACES = either(0, 0, 0, 1, 1, 2, 3, 4, 5)
PROJECTS = st.sampled_from(["gigs"] * 19 + ["other"])
CODES = either("SUMMER", "summer", "WINTER-26")
PRODUCTS = either(["prod_a"], ["prod_b"], ["prod_a", "prod_b"])
CURRENCIES = either("USD", "USD", "USD", "EUR", "JPY")
SUBSCRIPTIONS = either("sub_1", "sub_1", "sub_1", "sub_2")
CUSTOMERS = either("cus_1", "cus_1", "cus_2")

# All of them over or far ahead: none comes while a history runs. Those of a few minutes lie in the grace of fifteen.
# Most windows open or end on the boundary, and most requests are made on it.
LONG_AGO, BEFORE, BOUNDARY, AFTER = (Minutes(count) for count in (-30, -12, -8, -4))
FAR_AHEAD, FURTHER_AHEAD = Minutes(60 * 24 * 400), Minutes(60 * 24 * 500)
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
REQUESTED_AT = st.builds(Minutes, either(-30, -12, -8, -8, -8, -4, 60), either(0, 0, 0, 14, -11))

PRICES = st.one_of(
    either(0.01, 5, 10, 12.5, 33.33, 50, 100).map(lambda percentage: {"priceDiscountPercentage": percentage}),
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
RESTRICTIONS = st.builds(
    lambda window, others: {**(window or {}), **others},
    one_in(2, WINDOWS),
    body(
        maximumRedemptions=one_in(2, either(1, 2, 3)),
        maximumRedemptionsPerCustomer=one_in(3, either(1, 2)),
        products=one_in(4, PRODUCTS),
        minimumSubtotal=one_in(5, st.just({"amount": 5000, "currency": "USD"})),
    ),
)
CAPS = either(
    {"amount": 300, "currency": "USD"},
    {"amount": 2500, "currency": "USD"},
    {"amount": 300, "currency": "USD", "currencyOptions": {"EUR": 1, "JPY": 700}},
)
CARDS = either({"stamps": 2}, {"stamps": 3, "expireDays": 30})


def voucher(price: Json, rest: Json, carry_over: bool | None) -> Json:
    """This function will put a voucher together. What is no balance carries nothing over."""
    is_balance = "priceDiscount" in price and rest["recurrence"]["type"] != "once"
    return {**price, **rest, **({"carryOver": carry_over} if carry_over is not None and is_balance else {})}


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
        budget=one_in(3, CAPS),
    ),
    st.sampled_from([True, True, True, False, None, None]),
)

RETIREMENTS = body(project=PROJECTS, voucher=st.builds(Nth, PLACES))

NEW_CODES = body(
    code=either("VIP", "Vip", "FRIEND-1", "friend-2", " summer "),
    maximumRedemptions=one_in(2, either(1, 2, 3)),
    expiresAt=one_in(3, either(LONG_AGO, BOUNDARY, BOUNDARY, FAR_AHEAD, FURTHER_AHEAD)),
    customer=one_in(4, CUSTOMERS),
)
ADDED_CODES = body(
    project=PROJECTS,
    voucher=st.builds(Nth, PLACES),
    codes=st.lists(NEW_CODES, min_size=1, max_size=3, unique_by=lambda code: code["code"].strip().lower()),
)

# Null takes away, so these leave nothing out.
CHANGES = st.one_of(
    st.one_of(
        st.fixed_dictionaries({"expiresAt": either(None, None, LONG_AGO, BOUNDARY, FAR_AHEAD)}),
        st.fixed_dictionaries({"startsAt": either(None, LONG_AGO, BOUNDARY, FAR_AHEAD)}),
        st.fixed_dictionaries({"maximumRedemptions": either(None, 1, 2, 3)}),
        st.fixed_dictionaries({"maximumRedemptionsPerCustomer": either(None, 1, 2)}),
        st.fixed_dictionaries({"products": either(None, ["prod_a"], ["prod_b"])}),
        st.fixed_dictionaries({"minimumSubtotal": either(None, {"amount": 4999, "currency": "USD"})}),
    ).map(lambda restriction: {"restrictions": restriction}),
    st.fixed_dictionaries({"name": st.just("Another name")}),
    st.fixed_dictionaries({"metadata": either({}, {"campaign": "autumn"})}),
    st.fixed_dictionaries({"code": either(None, "SUMMER", "Winter-26", "AUTUMN")}),
    st.fixed_dictionaries({"recurrence": RECURRENCES}),
    PRICES,
    either({"priceDiscount": None}, {"priceDiscountPercentage": None}),
    st.one_of(
        st.fixed_dictionaries({"maximumDiscount": either(None, {"amount": 299, "currency": "USD"})}),
        st.fixed_dictionaries({"budget": either(None, {"amount": 299, "currency": "USD"})}),
        st.fixed_dictionaries({"budget": CAPS}),
    ),
    either({"carryOver": True}, {"carryOver": False}, {"stampCard": None}, {"stampCard": {"stamps": 2}}),
)
UPDATES = st.builds(
    lambda head, changes: {**head, **merged(changes)},
    body(project=PROJECTS, voucher=st.builds(Nth, PLACES)),
    st.lists(CHANGES, min_size=1, max_size=3),
)

STARTS_ON = either(*["2024-01-31"] * 6, "2024-02-29", "2024-03-02", "2098-01-31", None)
REDEMPTIONS = st.builds(
    lambda reference, rest: {**reference, **rest},
    st.one_of(
        st.builds(Nth, PLACES).map(lambda voucher: {"voucher": voucher}),
        st.builds(Nth, PLACES).map(lambda voucher: {"voucher": voucher}),
        st.one_of(*[st.builds(NthCode, st.integers(0, 5))] * 4, either(" summer ", "unknown")).map(
            lambda code: {"code": code}
        ),
    ),
    body(
        project=PROJECTS,
        customer=CUSTOMERS,
        subscription=SUBSCRIPTIONS,
        products=either(["prod_a", "prod_b"], ["prod_a", "prod_b"], ["prod_a"], ["prod_c"], None),
        currency=either("USD", "USD", "USD", "EUR", "JPY", None),
        subtotal=either(12000, 12000, 5000, 4999, None),
        startsOn=STARTS_ON,
        requestedAt=one_in(2, REQUESTED_AT),
    ),
)
# None of them is over while a history runs: time passes by a step of its own.
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
    ),
)


def period(start: date, end: date) -> Json:
    """This function will return a billing period."""
    return {"start": start.isoformat(), "end": end.isoformat()}


# Months on the 31st, weeks, thirty days and years; long over and far ahead.
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
    """This function will give each line an id."""
    return [{"id": f"line_{index}", **line} for index, line in enumerate(lines)]


# Equal lines too: a unit that cannot be split has to go somewhere.
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
)
# Of invoices that were applied, counted round and round, but for the few that are unknown.
REVERSALS = st.builds(
    lambda head, kind, lines: {**head, **kind, **({"lines": lines} if kind["reason"] == "refunded" else {})},
    body(project=PROJECTS, invoice=st.builds(NthInvoice, st.integers(0, 9))),
    either(
        {"reason": "voided"},
        {"reason": "payment_failed"},
        {"reason": "payment_failed", "chargedBack": True},
        {"reason": "refunded"},
        {"reason": "refunded"},
        {"reason": "refunded"},
    ),
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
PLANS = st.fixed_dictionaries(
    {
        "project": PROJECTS,
        "subscription": SUBSCRIPTIONS,
        "periods": st.integers(1, 5),
        "from": either("2024-01-31", "2024-02-10", "2098-01-31"),
        "plan": st.fixed_dictionaries(
            {
                "interval": st.just("month"),
                "anchor": either("2024-01-31", "2098-01-31"),
                "currency": CURRENCIES,
                "trialPeriods": either(0, 0, 0, 1),
                "lines": LINES,
            }
        ),
    }
)


def items(bodies: st.SearchStrategy[Json]) -> st.SearchStrategy[Item]:
    """This function will draw a request: mostly a fresh one, or an earlier one, or an earlier id with another body."""
    earlier = st.integers(0, 9)
    fresh = st.builds(Fresh, bodies)
    return st.one_of(*[fresh] * 6, st.builds(Again, earlier, st.booleans()), st.builds(Changed, earlier, bodies))
