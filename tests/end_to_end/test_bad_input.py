"""A worker answers bad input with InvalidRequest and every bad field, writes nothing, and goes on."""

import json
from typing import Any

import pytest

from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.support.requests import invoice, redemption, voucher_body

# A value in a request that must appear neither in an error nor in a log.
SECRET = "HUSH-9f2c"
NAIVE = "2031-07-08T09:10:11"
TOO_MUCH = 10**18

VALID_REDEMPTION = redemption(code="SUMMER")
VALID_INVOICE = invoice()
REFERENCE = {"project": "gigs", "voucher": "vou_01h455vb4pex5vsknk084sn02q"}


def line(**fields: object) -> list[Json]:
    """Return the lines of an invoice with a single line."""
    return [{"id": "base", "amount": 8000, **fields}]


def fixed_amount(**fields: object) -> Json:
    """Return a voucher of 9.99 USD, unless the fields differ."""
    return voucher_body(priceDiscount={"amount": 999, "currency": "USD", **fields})


def without(request: Json, field: str) -> Json:
    """Return the request without one of its fields."""
    return {name: value for name, value in request.items() if name != field}


CREATE: list[tuple[str, Json, set[str]]] = [
    ("a number for a text", voucher_body(name=31_337_001), {"name"}),
    ("a text for a number", voucher_body(priceDiscountPercentage=SECRET), {"priceDiscountPercentage"}),
    ("a text for an object", voucher_body(recurrence=SECRET), {"recurrence"}),
    ("a list for an object", voucher_body(restrictions=[SECRET]), {"restrictions"}),
    ("an unknown field", voucher_body(maximumRedemptions=31_337_001), {"maximumRedemptions"}),
    (
        "an unknown restriction",
        voucher_body(restrictions={"maxRedemptions": 31_337_001}),
        {"restrictions.?"},
    ),
    ("both prices", {**fixed_amount(), "priceDiscountPercentage": 31.07}, {"priceDiscountPercentage"}),
    ("no price", without(voucher_body(), "priceDiscountPercentage"), {"priceDiscountPercentage"}),
    ("null for a name", voucher_body(name=None), {"name"}),
    ("no name", without(voucher_body(), "name"), {"name"}),
    ("an amount of 0", fixed_amount(amount=0), {"priceDiscount.amount"}),
    ("a negative amount", fixed_amount(amount=-31_337), {"priceDiscount.amount"}),
    ("an amount of 10^18", fixed_amount(amount=TOO_MUCH), {"priceDiscount.amount"}),
    ("an amount of 4,000 digits", fixed_amount(amount=10**3999), {"priceDiscount.amount"}),
    ("a fraction of a minor unit", fixed_amount(amount=31.337), {"priceDiscount.amount"}),
    ("an amount that is true", fixed_amount(amount=True), {"priceDiscount.amount"}),
    ("an amount that is not a number", fixed_amount(amount=float("nan")), {"priceDiscount.amount"}),
    ("an unknown currency", fixed_amount(currency="ZZZ"), {"priceDiscount.currency"}),
    ("a percentage of 0", voucher_body(priceDiscountPercentage=0), {"priceDiscountPercentage"}),
    ("a percentage above 100", voucher_body(priceDiscountPercentage=100.07), {"priceDiscountPercentage"}),
    ("five decimals", voucher_body(priceDiscountPercentage=31.33735), {"priceDiscountPercentage"}),
    ("an infinite percentage", voucher_body(priceDiscountPercentage=float("inf")), {"priceDiscountPercentage"}),
    ("a naive timestamp", voucher_body(restrictions={"expiresAt": NAIVE}), {"restrictions.expiresAt"}),
    (
        "a window that ends before it starts",
        voucher_body(restrictions={"startsAt": f"{NAIVE}Z", "expiresAt": "2030-01-01T00:00:00Z"}),
        {"restrictions.expiresAt"},
    ),
    ("repeating without months", voucher_body(recurrence={"type": "repeating"}), {"recurrence.durationInMonths"}),
    ("a NUL in a code", voucher_body(code=f"{SECRET}\x00"), {"code"}),
    ("a code of 10,000 characters", voucher_body(code=SECRET * 1_112), {"code"}),
    ("a NUL in a name", voucher_body(name=f"{SECRET}\x00"), {"name"}),
    ("half of a surrogate pair", voucher_body(name=f"{SECRET}\ud800"), {"name"}),
    ("metadata that nests", voucher_body(metadata={"key": {SECRET: [SECRET]}}), {"metadata"}),
    ("a NUL in metadata", voucher_body(metadata={"key": f"{SECRET}\x00"}), {"metadata"}),
    (
        "several at once",
        {"project": "", "name": 31_337_001, "code": "a b", "recurrence": {"type": "twice"}, "price": 31_337_001},
        {"project", "name", "code", "recurrence.type", "?", "priceDiscountPercentage"},
    ),
]
REDEEM: list[tuple[str, Json, set[str]]] = [
    ("a voucher and a code", VALID_REDEMPTION | {"voucher": REFERENCE["voucher"], "code": SECRET}, {"code"}),
    ("neither voucher nor code", without(VALID_REDEMPTION, "code"), {"code"}),
    ("another kind of id", redemption(voucher="red_01h455vb4pex5vsknk084sn02q"), {"voucher"}),
    ("a code for an id", redemption(voucher=SECRET), {"voucher"}),
    ("a naive timestamp", VALID_REDEMPTION | {"requestedAt": NAIVE}, {"requestedAt"}),
    ("a day that is none", VALID_REDEMPTION | {"startsOn": "2031-02-29"}, {"startsOn"}),
    ("a negative subtotal", VALID_REDEMPTION | {"subtotal": -31_337}, {"subtotal"}),
    ("a subtotal of 10^18", VALID_REDEMPTION | {"subtotal": TOO_MUCH}, {"subtotal"}),
    ("an unknown currency", VALID_REDEMPTION | {"currency": "ZZZ"}, {"currency"}),
    ("a NUL in a code", redemption(code=f"{SECRET}\x00"), {"code"}),
    ("a code of 10,000 characters", redemption(code=SECRET * 1_112), {"code"}),
    ("a NUL in a request id", VALID_REDEMPTION | {"requestId": f"{SECRET}\x00"}, {"requestId"}),
    ("half of a surrogate pair", VALID_REDEMPTION | {"customer": f"{SECRET}\udfff"}, {"customer"}),
    ("an id of 256 characters", VALID_REDEMPTION | {"subscription": "s" * 256}, {"subscription"}),
    ("products that are no list", VALID_REDEMPTION | {"products": SECRET}, {"products"}),
    ("an unknown field", VALID_REDEMPTION | {"coupon": SECRET}, {"coupon"}),
]
APPLY: list[tuple[str, Json, set[str]]] = [
    ("a period that ends before it starts", {"period": {"start": "2031-03-01", "end": "2031-02-01"}}, {"period.end"}),
    ("a period of no days", {"period": {"start": "2031-03-01", "end": "2031-03-01"}}, {"period.end"}),
    ("a naive boundary", {"period": {"start": NAIVE, "end": "2031-12-01"}}, {"period.start"}),
    ("half a period", {"period": {"start": "2031-03-01"}}, {"period.end"}),
    ("an amount of 10^18", {"lines": line(amount=TOO_MUCH)}, {"lines.0.amount"}),
    ("a fraction of a minor unit", {"lines": line(amount=31.337)}, {"lines.0.amount"}),
    ("no lines", {"lines": []}, {"lines"}),
    ("1,001 lines", {"lines": line() * 1_001}, {"lines"}),
    ("two lines of one id", {"lines": line() * 2}, {"lines"}),
    ("an unknown currency", {"currency": "ZZZ"}, {"currency"}),
    ("a text for a boolean", {"trial": SECRET}, {"trial"}),
    ("an unknown field of a line", {"lines": line(discount=31_337_001)}, {"lines.0.discount"}),
]
IMPORT = {
    "project": "gigs",
    "ref": "di_1",
    "customer": "cus_1",
    "subscription": "sub_1",
    "voucher": "vou_01m802aq92e78rshs8mnssdx40",
    "redeemedAt": "2026-03-01T12:00:00Z",
}
OTHERS: list[tuple[str, str, Any, set[str]]] = [
    ("vouchers.retrieve", "no voucher", {"project": "gigs"}, {"voucher"}),
    ("vouchers.retire", "a code for an id", {"project": "gigs", "voucher": SECRET}, {"voucher"}),
    ("redemptions.retrieve", "a number for an id", {"project": "gigs", "requestId": 31_337_001}, {"requestId"}),
    ("redemptions.redeem_many", "1,001 requests", {"requests": [VALID_REDEMPTION] * 1_001}, {"requests"}),
    ("redemptions.redeem_many", "an empty list", {"requests": []}, {"requests"}),
    ("redemptions.redeem_many", "no list", {}, {"requests"}),
    ("redemptions.redeem_many", "an object for a list", {"requests": VALID_REDEMPTION}, {"requests"}),
    ("redemptions.redeem_many", "a list for the request", [VALID_REDEMPTION], {"request"}),
    ("discounts.import_many", "1,001 requests", {"requests": [{}] * 1_001}, {"requests"}),
    ("discounts.import_many", "no list", {}, {"requests"}),
    ("discounts.import", "a naive instant", {**IMPORT, "redeemedAt": NAIVE}, {"redeemedAt"}),
    ("discounts.import", "a fraction of a minor unit", {**IMPORT, "taken": {"USD": 31.337}}, {"taken.USD"}),
    ("billing.apply_many", "1,001 invoices", {"invoices": [VALID_INVOICE] * 1_001}, {"invoices"}),
    ("billing.apply_many", "an empty list", {"invoices": []}, {"invoices"}),
    ("expiry.sweep", "a field", {"now": NAIVE}, {"?"}),
    ("redemptions.redeem", "a text for the request", SECRET, {"request"}),
    ("redemptions.redeem", "null for the request", None, {"request"}),
    ("redemptions.redeem", "an empty request", {}, {"project", "requestId", "code", "customer", "subscription"}),
]
Case = tuple[str, str, Any, set[str]]
CASES: list[list[Case]] = [
    [("vouchers.create", *case) for case in CREATE],
    [("redemptions.redeem", *case) for case in REDEEM],
    [("billing.apply", label, VALID_INVOICE | fields, bad) for label, fields, bad in APPLY],
    OTHERS,
]
# No log and no error may contain one of these: the recognizable values of the cases.
TELLTALES = (SECRET, NAIVE, str(TOO_MUCH), "31337", "31.07", "31.337", "ZZZ", "0" * 3_000)


def telltales_in(text: str) -> list[str]:
    """Return the values of requests that the text contains."""
    return [value for value in TELLTALES if value in text]


def bad_fields_of(outcome: Json) -> set[str]:
    """Return the fields for which a task failed with InvalidRequest."""
    error = outcome["result"]
    assert (outcome["status"], error["exc_type"]) == ("FAILURE", "InvalidRequest"), outcome
    [errors] = error["exc_message"]
    assert all(each.keys() == {"field", "message"} and each["message"] for each in errors), errors
    return {each["field"] for each in errors}


@pytest.mark.parametrize("cases", CASES, ids=["vouchers.create", "redemptions.redeem", "billing.apply", "others"])
def test_bad_input_fails_with_every_bad_field_and_writes_nothing(
    cases: list[Case], client: Client, worker: Worker, url: str, log_since: int
) -> None:
    """Neither the error nor the log contains a value of a request, and the next request is answered."""
    sent = {f"{task}: {label}": client.send(task, request) for task, label, request, _ in cases}
    outcomes = {label: client.outcome(result) for label, result in sent.items()}
    assert {label: bad_fields_of(outcome) for label, outcome in outcomes.items()} == {
        f"{task}: {label}": fields for task, label, _, fields in cases
    }
    assert {label: found for label, outcome in outcomes.items() if (found := telltales_in(json.dumps(outcome)))} == {}
    assert row_counts(url) == {}
    assert client.ask("redemptions.redeem", VALID_REDEMPTION)["reason"] == "voucher_not_found"
    assert telltales_in(worker.log[log_since:]) == []


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"args": [VALID_REDEMPTION | {"code": SECRET}]}, id="by position"),
        pytest.param({"args": [SECRET], "kwargs": {"request": VALID_REDEMPTION}}, id="by position and by keyword"),
        pytest.param({}, id="no request"),
        pytest.param({"kwargs": {"request": VALID_REDEMPTION, "priority": SECRET}}, id="another argument"),
        pytest.param({"kwargs": {"requests": VALID_REDEMPTION}}, id="a misspelt argument"),
        pytest.param({"kwargs": VALID_REDEMPTION | {"code": SECRET}}, id="the fields as arguments"),
    ],
)
def test_a_task_takes_exactly_one_argument_by_keyword(
    arguments: Json, client: Client, worker: Worker, url: str, log_since: int
) -> None:
    """Any other arguments are invalid, like a bad field."""
    outcome = client.outcome(client.send_arguments("redemptions.redeem", **arguments))
    assert bad_fields_of(outcome) == {"request"}
    assert telltales_in(json.dumps(outcome) + worker.log[log_since:]) == []
    assert row_counts(url) == {}


def test_only_the_bad_requests_of_a_bulk_are_answered_as_invalid(
    client: Client, worker: Worker, url: str, log_since: int
) -> None:
    """The others are decided in their order, as if the bad requests were not there."""
    voucher_id = created_voucher(client, restrictions={"maximumRedemptions": 2})
    bad: list[object] = [request for _, request, _ in REDEEM] + [None, SECRET, 31_337_001, [], [VALID_REDEMPTION], {}]
    good = [redemption(voucher=voucher_id) for _ in range(3)]
    items = client.ask("redemptions.redeem_many", {"requests": [good[0], *bad, *good[1:]]})["items"]
    assert [item["outcome"] for item in items] == ["accepted", *["invalid"] * len(bad), "accepted", "refused"]
    expected = [fields for _, _, fields in REDEEM]
    assert [{error["field"] for error in item["errors"]} for item in items[1 : len(REDEEM) + 1]] == expected
    assert [item["redemptionNumber"] for item in items if item["outcome"] == "accepted"] == [1, 2]
    assert telltales_in(json.dumps(items)) == []
    assert telltales_in(worker.log[log_since:]) == []
    assert row_counts(url) == {"vouchers": 1, "redemptions": 3, "discounts": 2, "subscriptions": 3}


def test_only_the_bad_invoices_of_a_bulk_are_answered_as_invalid(
    client: Client, worker: Worker, url: str, log_since: int
) -> None:
    """The others are discounted."""
    bad = [VALID_INVOICE | fields for _, fields, _ in APPLY]
    items = client.ask("billing.apply_many", {"invoices": [*bad, invoice(), None]})["items"]
    assert [item["outcome"] for item in items] == [*["invalid"] * len(bad), "applied", "invalid"]
    assert [{error["field"] for error in item["errors"]} for item in items[: len(bad)]] == [bad for *_, bad in APPLY]
    assert telltales_in(json.dumps(items)) == []
    assert telltales_in(worker.log[log_since:]) == []
    assert row_counts(url) == {"invoice_discounts": 1}


def test_a_bulk_of_bad_requests_only_is_answered(client: Client, url: str) -> None:
    """No request is left to decide."""
    items = client.ask("redemptions.redeem_many", {"requests": [{}] * 1_000})["items"]
    assert [item["outcome"] for item in items] == ["invalid"] * 1_000
    assert row_counts(url) == {}
