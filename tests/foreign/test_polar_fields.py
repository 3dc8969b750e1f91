"""Bad fields of the requests of Polar."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.polar import ENDPOINT, ENDPOINT_FIXED, ORGANIZATION, create
from tests.support.bad_requests import SECRET, fields_of
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"organization_id": None}, ["organization_id"]),
        ({"name": ""}, ["name"]),
        ({"name": "n" * 5_001}, ["name"]),
        ({"type": "free"}, ["type"]),
        ({"type": []}, ["type"]),
        ({"duration": "weekly"}, ["duration"]),
        ({"duration": ["once"]}, ["duration"]),
        ({"duration": "repeating"}, ["duration_in_months"]),
        ({"duration": "repeating", "duration_in_months": 1000}, ["duration_in_months"]),
        ({"duration": "repeating", "duration_in_months": 0}, ["duration_in_months"]),
        *(({"code": bad}, ["code"]) for bad in ("ab", "a" * 257, "with-dash", "two words", "sümmer", 5)),
        *(({"basis_points": bad}, ["basis_points"]) for bad in (0, 10_001, 12.5, "100", None)),
        ({"starts_at": "2026-01-01"}, ["starts_at"]),
        ({"ends_at": "2026-01-01T00:00"}, ["ends_at"]),
        ({"ends_at": "2026-02-30T00:00:00"}, ["ends_at"]),
        ({"starts_at": "2026-01-02T00:00:00", "ends_at": "2026-01-02T01:00:00+01:00"}, ["ends_at"]),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-02T00:00:00Z"}, ["ends_at"]),
        ({"max_redemptions": 0}, ["max_redemptions"]),
        ({"products": [""]}, ["products.0"]),
        ({"products": "all"}, ["products"]),
        ({"metadata": None}, ["metadata"]),
        ({"metadata": {"key": ""}}, ["metadata"]),
        ({"metadata": {"k" * 41: 1}}, ["metadata"]),
        ({"metadata": {"key": None}}, ["metadata"]),
        ({"max_redemptions_per_customer": 0}, ["max_redemptions_per_customer"]),
        ({"code": SECRET, "basis_points": SECRET, "max_redemptions": SECRET}, None),
    ],
)
def test_a_discount_with_bad_fields_is_not_created(changes, fields):
    """The error names every bad field as Polar does."""
    assert set(fields_of(task_named("polar.discounts.create"), {**ENDPOINT, **changes})) == set(fields or changes)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        *(({"amount": bad}, ["amount"]) for bad in (-1, 10**12, 9.99, "5", None)),
        *(({"currency": bad}, ["currency"]) for bad in ("USD", "zzz", "")),
        ({"amount": None, "amounts": {}}, ["amounts"]),
        ({"amount": None, "amounts": [1000]}, ["amounts"]),
        ({"amount": None, "amounts": None}, ["amount"]),
        ({"amounts": {"usd": 1000}}, ["amount"]),
        ({"amount": None, "amounts": {"USD": 1000}}, ["amounts.USD.[key]"]),
        ({"amount": None, "amounts": {"usd": -1}}, ["amounts.usd"]),
        ({"amount": None, "amounts": {"usd": 5, "eur": 10**12}}, ["amounts.eur"]),
    ],
)
def test_a_fixed_discount_with_bad_fields_is_not_created(changes, fields):
    """The amount and the currency are validated."""
    assert fields_of(task_named("polar.discounts.create"), {**ENDPOINT_FIXED, **changes}) == fields


@pytest.mark.parametrize("name", ["organization_id", "name", "type", "duration", "basis_points"])
def test_what_a_schema_requires_must_be_given(name):
    """The type and the duration select the schema."""
    assert fields_of(
        task_named("polar.discounts.create"), {each: ENDPOINT[each] for each in ENDPOINT if each != name}
    ) == [name]


def test_a_code_that_another_discount_holds_is_a_bad_field():
    """Case does not count, nor which API created the other discount."""
    create_voucher(project=ORGANIZATION, code="Discount")
    with pytest.raises(InvalidRequest) as refused:
        create()
    assert [error["field"] for error in refused.value.errors] == ["code"]


@pytest.mark.parametrize("changes", [{"id": "nonsense"}, {"id": None}, {"organization_id": ""}])
def test_a_reference_with_a_bad_field_is_refused(changes):
    """A reference has a UUID and an organization."""
    for task in (task_named("polar.discounts.retrieve"), task_named("polar.discounts.delete")):
        assert fields_of(task, {"organization_id": ORGANIZATION, "id": ORGANIZATION, **changes}) == list(changes)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"page": 0}, ["page"]),
        ({"page": 10**30}, ["page"]),
        ({"limit": 0}, ["limit"]),
        ({"limit": "10"}, ["limit"]),
        ({"sorting": ["price"]}, ["sorting.0"]),
        ({"sorting": "name"}, ["sorting"]),
        ({"query": "a\x00b"}, ["query"]),
        ({"organization_id": None}, ["organization_id"]),
    ],
)
def test_a_list_with_bad_parameters_is_refused(changes, fields):
    """The error names each bad parameter."""
    assert fields_of(task_named("polar.discounts.list"), {"organization_id": ORGANIZATION, **changes}) == fields
