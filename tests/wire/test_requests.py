"""The shape of a request: one keyword argument, one JSON object, and bulk requests of 1 to 1,000 items."""

import pytest

from tasks.celery import app
from tasks.wire.errors import InvalidRequest
from tests.support.bad_requests import fields_of
from tests.support.requests import voucher_body
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

VOUCHER = voucher_body()


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("redemptions.redeem_many", "requests"),
        ("billing.apply_many", "invoices"),
        ("discounts.import_many", "requests"),
    ],
)
@pytest.mark.parametrize("items", [[], [{}] * 1001, "all", None])
def test_a_bulk_request_has_1_to_1000_items(task, name, items):
    """Any other number of items is an error of the whole list."""
    assert fields_of(app.tasks[task], {name: items}) == [name]


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("redemptions.redeem_many", "requests"),
        ("billing.apply_many", "invoices"),
        ("discounts.import_many", "requests"),
    ],
)
def test_a_bulk_request_of_1000_items_is_not_too_long(task, name):
    """Each item is validated by itself."""
    items = app.tasks[task](request={name: [{}] * 1000})["items"]
    assert [item["outcome"] for item in items] == ["invalid"] * 1000


@pytest.mark.parametrize("request_", [None, [], "text", 5, True])
@pytest.mark.parametrize("task", ["vouchers.create", "redemptions.redeem", "billing.apply", "expiry.sweep"])
def test_a_request_is_one_json_object(task, request_):
    """The error names the whole request."""
    assert fields_of(app.tasks[task], request_) == ["request"]


def test_a_task_takes_exactly_one_keyword_argument():
    """Its name is `request`."""
    for args, kwargs in (
        ((), {}),
        ((VOUCHER,), {}),
        ((), {"request": VOUCHER, "more": 1}),
        ((), {"requests": VOUCHER}),
    ):
        with pytest.raises(InvalidRequest) as refused:
            task_named("vouchers.create")(*args, **kwargs)
        assert refused.value.errors == [{"field": "request", "message": "must be the one argument, by keyword"}]


def test_a_sweep_takes_nothing():
    """An option is refused, and not ignored."""
    assert fields_of(task_named("expiry.sweep"), {"batchSize": 5}) == ["?"]


def test_an_unknown_field_name_of_any_length_is_not_shown():
    """The caller sends it."""
    assert fields_of(task_named("vouchers.create"), {**VOUCHER, "x" * 10_000: 1}) == ["?"]
