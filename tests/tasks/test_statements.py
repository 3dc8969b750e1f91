"""The number of SQL statements does not depend on the number of requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

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


SCANS = ("Seq Scan", "Bitmap", "Merge Join", "Hash Join")


@contextmanager
def explained() -> Iterator[list[str]]:
    """This context will note the plan of every statement, as it is made for the statistics that there are."""
    plans: list[str] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "WITH")):
            cursor.execute(f"EXPLAIN {statement}", parameters)
            plans.append("\n".join(row[0] for row in cursor))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(engine(), "before_cursor_execute", note)


@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_of_a_batch_reads_a_table_whatever_the_statistics_say(known):
    """Unknown, up to date, and out of date: the last are those under which a whole table was once read."""
    codes = [create_voucher(code=f"CODE-{index}")["code"] for index in range(20)]
    grown = [redemption(code=code, subscription=f"sub_{index}") for index in range(30) for code in codes]
    if known == "what was there before":
        redemptions.redeem_many(request={"requests": grown[:100]})
        _analyze()
    redemptions.redeem_many(request={"requests": grown})
    if known == "everything":
        _analyze()
    with explained() as plans:
        redemptions.redeem_many(request={"requests": [redemption(code=code) for code in codes]})
        billing.apply_many(request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(30)]})
    assert len(plans) > 15
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


def _analyze() -> None:
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
