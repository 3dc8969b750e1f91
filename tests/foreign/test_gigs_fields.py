"""Bad fields of the requests of Gigs."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.gigs import FIXED, PERCENTAGE
from tests.support.bad_requests import SECRET, fields_of
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"project": ""}, ["project"]),
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"code": "SUMMER"}, ["code"]),
        ({"metadata": {}}, ["metadata"]),
        ({"requestId": "r1"}, ["requestId"]),
        ({"price_discount": None}, ["price_discount"]),
        ({"bogus": SECRET}, ["?"]),
        *(({"priceDiscountPercentage": bad}, ["priceDiscountPercentage"]) for bad in (0.99, 100.01, 30.12345, "10", 0)),
        ({"priceDiscountPercentage": None}, ["priceDiscountPercentage"]),
        ({"priceDiscount": {"amount": 5, "currency": "USD"}}, ["priceDiscountPercentage"]),
        ({"recurrence": None}, ["recurrence"]),
        ({"recurrence": {}}, ["recurrence.type"]),
        ({"recurrence": {"type": SECRET}}, ["recurrence.type"]),
        ({"recurrence": {"type": "repeating"}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "once", "durationInMonths": 2}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "once", "durationInMonths": True}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "forever", "durationInMonths": 1}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "repeating", "durationInMonths": 0}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "repeating", "duration_in_months": 1}}, None),
        ({"recurrence": {"type": "once", "durationInCycles": None}}, ["recurrence.durationInCycles"]),
        ({"restrictions": {"maximumRedemptions": 0}}, ["restrictions.maximumRedemptions"]),
        ({"restrictions": {"expiresAt": "2026-04-14"}}, ["restrictions.expiresAt"]),
        ({"restrictions": {"startsAt": "2026-04-14T00:00:00Z"}}, ["restrictions.startsAt"]),
        (
            {"name": None, "recurrence": {"type": "once", "durationInMonths": 2}},
            ["name", "recurrence.durationInMonths"],
        ),
    ],
)
def test_a_voucher_with_bad_fields_is_not_created(changes, fields):
    """The error names every bad field. Unknown fields are refused, as in Gigs."""
    expected = fields or ["recurrence.durationInMonths", "recurrence.duration_in_months"]
    assert fields_of(task_named("gigs.vouchers.create"), {**PERCENTAGE, **changes}) == expected


@pytest.mark.parametrize(
    ("price", "fields"),
    [
        ({"amount": 0, "currency": "USD"}, ["priceDiscount.amount"]),
        ({"amount": 9.99, "currency": "USD"}, ["priceDiscount.amount"]),
        ({"amount": 5, "currency": "ZZZ"}, ["priceDiscount.currency"]),
        ({"amount": 5}, ["priceDiscount.currency"]),
        ({"amount": 5, "currency": "USD", "currencyOptions": {}}, ["priceDiscount.currencyOptions"]),
    ],
)
def test_a_fixed_discount_with_bad_fields_is_not_created(price, fields):
    """A discount has an amount and a currency, and no further currencies."""
    assert fields_of(task_named("gigs.vouchers.create"), {**FIXED, "priceDiscount": price}) == fields


@pytest.mark.parametrize("changes", [{"voucher": "vou_nonsense"}, {"voucher": None}, {"project": None}, {"more": 1}])
def test_a_reference_with_a_bad_field_is_refused(changes):
    """A reference has the two parameters of the path, and no other field."""
    good = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40"}
    for task in (task_named("gigs.vouchers.retrieve"), task_named("gigs.vouchers.retire")):
        with pytest.raises(InvalidRequest) as refused:
            task(request={**good, **changes})
        assert [error["field"] for error in refused.value.errors] == [
            "?" if name == "more" else name for name in changes
        ]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"limit": 201}, ["limit"]),
        ({"limit": -1}, ["limit"]),
        ({"limit": "10"}, ["limit"]),
        ({"status": ["bogus"]}, ["status.0"]),
        ({"status": ","}, ["status.0", "status.1"]),
        ({"status": None}, ["status"]),
        ({"status": ["available", "retired", "retired"]}, ["status"]),
        ({"campaign": "summer"}, ["campaign"]),
        ({"code": ""}, ["code"]),
        ({"after": "nonsense"}, ["after"]),
        ({"after": "vou_01m802aq92e78rshs8mnssdx40", "before": "vou_01m802aq92e78rshs8mnssdx40"}, ["before"]),
        ({"page": 2}, ["page"]),
        ({"project": None}, ["project"]),
    ],
)
def test_a_list_with_bad_parameters_is_refused(changes, fields):
    """Unknown parameters are errors, also those of `vouchers.list`."""
    assert fields_of(task_named("gigs.vouchers.list"), {"project": "gigs", **changes}) == fields
