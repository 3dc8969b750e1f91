"""Bad fields: the error names every bad field by path and never shows a value, and nothing is written."""

import math

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.bad_requests import SECRET, fields_of
from tests.support.requests import invoice, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

VOUCHER = {
    "project": "gigs",
    "name": "Ten percent",
    "priceDiscountPercentage": 10,
    "recurrence": {"type": "forever"},
}
FIXED = {**VOUCHER, "priceDiscountPercentage": None, "priceDiscount": {"amount": 5, "currency": "USD"}}
REDEMPTION = redemption(code="SUMMER")


def restricted(**restrictions) -> dict:
    """Return a voucher with the restrictions."""
    return {**VOUCHER, "restrictions": restrictions}


@pytest.mark.parametrize(("lines", "told"), [(50, 100), (51, 101)])
def test_a_hundred_bad_fields_are_told(lines: int, told: int):
    """Each line lacks two fields. From the 101st on, their number is told."""
    with pytest.raises(InvalidRequest) as refused:
        task_named("billing.apply")(request=invoice(lines=[{}] * lines))
    assert len(refused.value.errors) == told
    is_counted = refused.value.errors[-1]["message"] == "has 102 bad fields, of which only the first are told"
    assert is_counted == (told > 100)


@pytest.mark.parametrize(
    ("request_", "fields"),
    [
        ({**VOUCHER, "project": ""}, ["project"]),
        ({**VOUCHER, "project": "p" * 256}, ["project"]),
        ({**VOUCHER, "project": 7}, ["project"]),
        ({**VOUCHER, "project": f"a\x00{SECRET}"}, ["project"]),
        ({**VOUCHER, "project": "\ud800"}, ["project"]),
        ({**VOUCHER, "name": None}, ["name"]),
        ({**VOUCHER, "bogus": SECRET}, ["?"]),
        ({**VOUCHER, "code": "ab"}, ["code"]),
        ({**VOUCHER, "code": "a b c"}, ["code"]),
        ({**VOUCHER, "code": f"{SECRET}\x00"}, ["code"]),
        ({**VOUCHER, "code": "a" * 257}, ["code"]),
        ({**VOUCHER, "code": "a" * 10_000}, ["code"]),
        ({**VOUCHER, "code": "é" * 5}, ["code"]),
        ({**VOUCHER, "priceDiscountPercentage": None}, ["priceDiscountPercentage"]),
        ({**FIXED, "priceDiscountPercentage": 10}, ["priceDiscountPercentage"]),
        *(
            ({**VOUCHER, "priceDiscountPercentage": value}, ["priceDiscountPercentage"])
            for value in (0, -1, 0.00009, 100.0001, 10**18, "10", True, math.nan, math.inf, 30.12345)
        ),
        *(
            ({**FIXED, "priceDiscount": {"amount": value, "currency": "USD"}}, ["priceDiscount.amount"])
            for value in (0, -1, 10**18, 10**12, 5.0, "5", True, None)
        ),
        *(
            ({**FIXED, "priceDiscount": {"amount": 5, "currency": value}}, ["priceDiscount.currency"])
            for value in ("XXX", "ZZZ", "", "US", SECRET, 840, None)
        ),
        ({**FIXED, "priceDiscount": {"amount": 5}}, ["priceDiscount.currency"]),
        (
            {**FIXED, "priceDiscount": {"amount": 5, "currency": "USD", "currencyOptions": {"USD": 4}}},
            ["priceDiscount.currencyOptions"],
        ),
        (
            {**FIXED, "priceDiscount": {"amount": 5, "currency": "USD", "currencyOptions": {"EUR": 4, "eur": 5}}},
            ["priceDiscount.currencyOptions"],
        ),
        (
            {**FIXED, "priceDiscount": {"amount": 5, "currency": "USD", "currencyOptions": {"EUR": 0}}},
            ["priceDiscount.currencyOptions.EUR"],
        ),
        ({**VOUCHER, "recurrence": {"type": "weekly"}}, ["recurrence.type"]),
        ({**VOUCHER, "recurrence": {"type": "repeating"}}, ["recurrence.durationInMonths"]),
        ({**VOUCHER, "recurrence": {"type": "once", "durationInMonths": 1}}, ["recurrence.durationInMonths"]),
        *(
            (
                {**VOUCHER, "recurrence": {"type": "repeating", "durationInMonths": months}},
                ["recurrence.durationInMonths"],
            )
            for months in (0, 1000, -1, 1.5)
        ),
        ({**VOUCHER, "carryOver": True}, ["carryOver"]),
        *(
            ({**VOUCHER, "stampCard": {"stamps": stamps}}, ["stampCard.stamps"])
            for stamps in (0, 1, 1001, -1, 2.5, "10", True, None)
        ),
        *(
            ({**VOUCHER, "stampCard": {"stamps": 10, "expireDays": days}}, ["stampCard.expireDays"])
            for days in (0, 3651, -1, 1.5, "90", True)
        ),
        ({**VOUCHER, "stampCard": {}}, ["stampCard.stamps"]),
        ({**VOUCHER, "stampCard": {"stamps": 10, "bogus": SECRET}}, ["stampCard.?"]),
        ({**FIXED, "carryOver": True, "recurrence": {"type": "once"}}, ["carryOver"]),
        ({**FIXED, "carryOver": "yes"}, ["carryOver"]),
        ({**FIXED, "carryOver": True, "maximumDiscountInAll": FIXED["priceDiscount"]}, ["maximumDiscountInAll"]),
        ({**VOUCHER, "maximumDiscountInAll": {"amount": 0, "currency": "USD"}}, ["maximumDiscountInAll.amount"]),
        ({**VOUCHER, "maximumDiscountInAll": {"amount": 1}}, ["maximumDiscountInAll.currency"]),
        *(
            (
                {**VOUCHER, "recurrence": {"type": "repeating", "durationInCycles": cycles}},
                ["recurrence.durationInCycles"],
            )
            for cycles in (0, 1000, -1, 1.5, "3", True)
        ),
        ({**VOUCHER, "recurrence": {"type": "forever", "durationInCycles": 3}}, ["recurrence.durationInCycles"]),
        (
            {**VOUCHER, "recurrence": {"type": "repeating", "durationInCycles": 3, "durationInMonths": 3}},
            ["recurrence.durationInMonths"],
        ),
        (restricted(expiresAt="2026-04-14T19:38:34"), ["restrictions.expiresAt"]),
        (restricted(expiresAt="2026-04-14"), ["restrictions.expiresAt"]),
        (restricted(expiresAt=1_776_195_514), ["restrictions.expiresAt"]),
        (restricted(expiresAt="1776195514"), ["restrictions.expiresAt"]),
        (restricted(expiresAt="9999-12-31T23:59:59-12:00"), ["restrictions.expiresAt"]),
        # In UTC the year is 3000, or 1969: the answer would show an instant that cannot be sent back.
        (restricted(expiresAt="2999-12-31T23:59:59-05:00"), ["restrictions.expiresAt"]),
        (restricted(startsAt="1970-01-01T00:00:00+02:00"), ["restrictions.startsAt"]),
        (
            restricted(startsAt="2026-01-01T00:00:00Z", expiresAt="2026-01-01T01:00:00+01:00"),
            ["restrictions.expiresAt"],
        ),
        (restricted(maximumRedemptions=0), ["restrictions.maximumRedemptions"]),
        (restricted(maximumRedemptions=10**12), ["restrictions.maximumRedemptions"]),
        (restricted(maximumRedemptionsPerCustomer=-1), ["restrictions.maximumRedemptionsPerCustomer"]),
        (restricted(maximumRedemption=5), ["restrictions.?"]),
        (restricted(products=[]), ["restrictions.products"]),
        (restricted(excludedProducts=[]), ["restrictions.excludedProducts"]),
        (restricted(firstPurchaseOnly=None), ["restrictions.firstPurchaseOnly"]),
        (restricted(firstPurchaseOnly="true"), ["restrictions.firstPurchaseOnly"]),
        (restricted(excludedProducts=["a"] * 1001), ["restrictions.excludedProducts"]),
        (restricted(products=["a", "b"], excludedProducts=["c", "b"]), ["restrictions.excludedProducts"]),
        (restricted(products=["a"] * 1001), ["restrictions.products"]),
        (restricted(products=["a", ""]), ["restrictions.products.1"]),
        (restricted(minimumSubtotal={"amount": 0, "currency": "USD"}), ["restrictions.minimumSubtotal.amount"]),
        ({**VOUCHER, "metadata": {str(index): 1 for index in range(51)}}, ["metadata"]),
        ({**VOUCHER, "metadata": {"k" * 41: 1}}, ["metadata"]),
        ({**VOUCHER, "metadata": {"": 1}}, ["metadata"]),
        ({**VOUCHER, "metadata": {"a\x00b": 1}}, ["metadata"]),
        *(
            ({**VOUCHER, "metadata": {"key": value}}, ["metadata"])
            for value in (None, ["a"], {"a": 1}, "v" * 501, math.nan, 2**63, -(2**63), "a\x00b", "\udfff")
        ),
        (
            {"project": "", "bogus": 1, "recurrence": {"type": "once", "durationInMonths": 3}, "code": "!"},
            ["project", "name", "code", "priceDiscountPercentage", "recurrence.durationInMonths", "?"],
        ),
    ],
)
def test_a_voucher_with_bad_fields_is_not_created(request_, fields):
    """The error names every bad field."""
    assert fields_of(task_named("vouchers.create"), request_) == fields


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"voucher": "vou_01m802aq92e78rshs8mnssdx40"}, ["code"]),
        ({"code": None}, ["code"]),
        ({"code": None, "voucher": "red_01m802aq92e78rshs8mnssdx40"}, ["voucher"]),
        ({"code": None, "voucher": SECRET}, ["voucher"]),
        ({"code": None, "voucher": "vou_81m802aq92e78rshs8mnssdx40"}, ["voucher"]),
        ({"requestId": ""}, ["requestId"]),
        ({"request_id": "again"}, ["request_id"]),
        ({"customer": None}, ["customer"]),
        ({"subscription": "s" * 256}, ["subscription"]),
        ({"products": "prod_a"}, ["products"]),
        ({"isFirstPurchase": 1}, ["isFirstPurchase"]),
        ({"products": ["prod_a"] * 1001}, ["products"]),
        ({"currency": "ZZZ"}, ["currency"]),
        ({"subtotal": -1}, ["subtotal"]),
        ({"subtotal": 10**12}, ["subtotal"]),
        ({"subtotal": 10**18}, ["subtotal"]),
        ({"startsOn": "2026-02-30"}, ["startsOn"]),
        ({"startsOn": "20260201"}, ["startsOn"]),
        ({"startsOn": "1728000.00"}, ["startsOn"]),
        ({"startsOn": "+172800000"}, ["startsOn"]),
        ({"startsOn": "864000000."}, ["startsOn"]),
        ({"startsOn": "2026-2-1"}, ["startsOn"]),
        ({"startsOn": "2026-02-01T00:00:00"}, ["startsOn"]),
        ({"startsOn": "0001-01-01"}, ["startsOn"]),
        ({"requestedAt": "2026-03-01T10:00:00"}, ["requestedAt"]),
        ({"requestedAt": "yesterday"}, ["requestedAt"]),
        ({"requestedAt": "1700006400000.0e0"}, ["requestedAt"]),
        ({"requestedAt": "+1.7e12"}, ["requestedAt"]),
        ({"requestedAt": "2026-01-01_10:00:00Z"}, ["requestedAt"]),
        ({"requestedAt": "2026-01-01T10:00Z"}, ["requestedAt"]),
        ({"requestedAt": "2026-13-01T10:00:00Z"}, ["requestedAt"]),
    ],
)
def test_a_redemption_with_bad_fields_is_not_decided(changes, fields):
    """The error names every bad field."""
    assert fields_of(task_named("redemptions.redeem"), {**REDEMPTION, **changes}) == fields


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"period": {"start": "2026-02-28", "end": "2026-01-31"}}, ["period.end"]),
        ({"period": {"start": "2026-02-28", "end": "2026-02-28"}}, ["period.end"]),
        ({"period": {"start": "2026-02-28"}}, ["period.end"]),
        ({"period": {"start": "2026-01-31T00:00:00", "end": "2026-02-28"}}, ["period.start"]),
        ({"lines": []}, ["lines"]),
        ({"lines": [{"id": "a", "amount": 1}] * 2}, ["lines"]),
        ({"lines": [{"id": str(index), "amount": 1} for index in range(1001)]}, ["lines"]),
        *(({"lines": [{"id": "a", "amount": each}]}, ["lines.0.amount"]) for each in (10**12, -(10**12), 10**18)),
        ({"lines": [{"id": "a", "amount": 1.5}]}, ["lines.0.amount"]),
        ({"lines": [{"id": "a", "amount": 1, "discountable": "yes"}]}, ["lines.0.discountable"]),
        ({"trial": 1}, ["trial"]),
        ({"currency": None}, ["currency"]),
        ({"invoice": ""}, ["invoice"]),
    ],
)
def test_an_invoice_with_bad_fields_is_not_discounted(changes, fields):
    """The error names every bad field."""
    assert fields_of(task_named("billing.apply"), {**invoice(), **changes}) == fields


def errors_of(request: dict) -> list[dict[str, str]]:
    """Return the errors of a voucher that is not created."""
    with pytest.raises(InvalidRequest) as refused:
        task_named("vouchers.create")(request=request)
    return refused.value.errors


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({**VOUCHER, SECRET: 1}, "?"),
        (restricted(**{SECRET: 1}), "restrictions.?"),
        (
            {**FIXED, "priceDiscount": {"amount": 5, "currency": "USD", "currencyOptions": {SECRET: 4}}},
            "priceDiscount.currencyOptions.?.[key]",
        ),
    ],
)
def test_a_key_that_the_caller_made_up_is_not_named(request_: dict, field: str) -> None:
    """It may be a code or a name that came to the wrong place."""
    errors = errors_of(request_)
    assert SECRET not in str(errors)
    assert field in {each["field"] for each in errors}


def test_a_misspelt_field_is_told_by_the_right_name() -> None:
    """The name is the contract's, whatever was sent."""
    assert errors_of(restricted(maximumRedemption=5)) == [
        {"field": "restrictions.?", "message": "is not a field of this request: did you mean maximumRedemptions?"}
    ]


def test_unknown_fields_are_counted() -> None:
    """However many they are, they are one error."""
    many = {f"field-{number}": 1 for number in range(1_000)}
    assert errors_of({**VOUCHER, **many}) == [{"field": "?", "message": "is not a field of this request (1000 times)"}]
