"""The number of SQL statements does not depend on the number of requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from tasks import billing, redemptions
from tests.tasks.requests import create_voucher, invoice, redemption
from worker.db import engine

pytestmark = pytest.mark.usefixtures("database")


@contextmanager
def counted() -> Iterator[list[str]]:
    """This context will note every statement that is sent."""
    statements: list[str] = []

    def note(_connection, _cursor, statement, *_) -> None:
        statements.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def test_redeeming_500_requests_takes_as_many_statements_as_one():
    """On many vouchers, with and without limits, by id and by code, accepted and refused."""
    limits = {"maximumRedemptions": 50, "maximumRedemptionsPerCustomer": 2}
    for index in range(10):
        create_voucher(code=f"CODE-{index}", restrictions=limits if index % 2 else {})
    with counted() as one:
        redemptions.redeem(request=redemption(code="CODE-1"))
    with counted() as many:
        requests = [redemption(code=f"CODE-{index % 12}") for index in range(500)]
        items = redemptions.redeem_many(request={"requests": requests})["items"]
    assert {item["outcome"] for item in items} == {"accepted", "refused"}
    assert many == one
    assert len(one) < 15


def test_applying_500_invoices_takes_as_many_statements_as_one():
    """On subscriptions with several discounts and with none."""
    for kind in ({"priceDiscount": {"amount": 5, "currency": "USD"}}, {"recurrence": {"type": "once"}}, {}):
        voucher = create_voucher(**kind)["id"]
        requests = [redemption(voucher=voucher, subscription=f"sub_{index}", currency="USD") for index in range(400)]
        redemptions.redeem_many(request={"requests": requests})
    with counted() as one:
        billing.apply(request=invoice(subscription="sub_0"))
    with counted() as many:
        invoices = [invoice(subscription=f"sub_{index}") for index in range(500)]
        items = billing.apply_many(request={"invoices": invoices})["items"]
    assert [len(item["discounts"]) for item in items] == [1] + [3] * 399 + [0] * 100
    assert many == one
    assert len(one) < 10
