"""Requests of a tenant that the statistics do not know yet use index scans, as those of all other tenants do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.database.test_references import VOUCHERS_READ
from tests.support.database_between_tests import run_outside_transaction, vacuum_database
from tests.support.requests import add_codes, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named
from worker import database as db
from worker.database import engine

MANY = 1_000
# Ids of nearly the maximum length make the index of the ids deeper, so that another index looks cheaper.
FILLER = "x" * 200

pytestmark = pytest.mark.usefixtures("database")


def fill(project: str) -> dict[str, Any]:
    """Add many codes and redemptions to a tenant, and return their voucher."""
    voucher = create_voucher(project=project)
    add_codes(voucher, *({"code": f"{FILLER}-{index}"} for index in range(MANY)))
    redeem_each(project, range(MANY))
    return voucher


def redeem_each(project: str, indexes: range, *, again: str = "") -> list[dict[str, Any]]:
    """Redeem the code of each index, each for a different subscription."""
    requests = [
        redemption(
            project=project,
            requestId=f"{FILLER}{again}-{index}",
            code=f"{FILLER}-{index}",
            customer=f"cus_{index}",
            subscription=f"{FILLER}{again}-{index}",
        )
        for index in indexes
    ]
    items: list[dict[str, Any]] = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    return items


@contextmanager
def rows_passed_over() -> Iterator[list[tuple[str, int]]]:
    """Yield a list of each statement's scans with the number of rows that the scan read and discarded."""
    passed: list[tuple[str, int]] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "WITH")):
            cursor.execute("SAVEPOINT explained")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            plan = cursor.fetchone()[0][0]["Plan"]
            cursor.execute("ROLLBACK TO explained")
            passed.extend((statement, int(node.get("Rows Removed by Filter", 0))) for node in nodes(plan))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield passed
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a query plan."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


@pytest.mark.slow
def test_no_statement_walks_along_all_that_a_new_tenant_has():
    """The rows came after the last ANALYZE: the statistics know another tenant only, and take this one for empty."""
    fill("first")
    run_outside_transaction("ANALYZE")
    voucher = fill("second")
    with rows_passed_over() as passed:
        items = redeem_each("second", range(5), again="again") + redeem_each("second", range(5))
        invoices = [invoice(project="second", subscription=f"{FILLER}-{index}") for index in range(5)]
        task_named("billing.apply_many")(request={"invoices": invoices * 2})
        first, *_ = add_codes(voucher, {"code": f"{FILLER}-{MANY}"}, requestId=FILLER)
        task_named("vouchers.generate_codes")(
            request={"project": "second", "voucher": voucher["id"], "count": 3, "requestId": FILLER}
        )
        task_named("codes.retire")(request={"project": "second", "code": first["id"]})
    assert {item["outcome"] for item in items} == {"accepted"}
    assert len(passed) > 60
    assert [each for each in passed if each[1] > 20] == []


@pytest.mark.slow
def test_no_statement_walks_along_a_table_while_a_new_database_grows():
    """PostgreSQL has no statistics of such a database, and may keep the first plans."""
    vacuum_database()
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    walked = []
    for count in (1, 2, 10, 100, 200, 400, 800):
        names = [f"GROWS-{count}-{number}" for number in range(count)]
        requests = [redemption(code=name) for name in names]
        subscriptions = [each["subscription"] for each in requests]
        with rows_passed_over() as passed:
            add_codes(voucher, *({"code": name} for name in names))
            task_named("redemptions.redeem_many")(request={"requests": requests})
            invoices = [invoice(subscription=each) for each in subscriptions]
            task_named("billing.apply_many")(request={"invoices": invoices})
        walked += [(count, *each) for each in passed if each[1] > 20]
    assert walked == []


@pytest.mark.slow
def test_no_statement_goes_through_vouchers_that_came_after_its_plan(monkeypatch):
    """While all requests redeem one voucher, a plan that starts from the vouchers costs as little as the right plan."""
    vacuum_database()
    monkeypatch.setattr(db, "PLANNED_SECONDS_MAX", 0)
    only = create_voucher()
    run_outside_transaction("ANALYZE")
    # Five statements are not prepared, five have a custom plan, and the rest share a generic plan.
    for _ in range(12):
        assert redeem(voucher=only["id"])["outcome"] == "accepted"
    vouchers = [create_voucher() for _ in range(300)][:10]
    read = []

    # Postgres publishes its counters once a second: until then, a transaction sees those of earlier ones too.
    def note_before(_session, _transaction, connection):
        read.append(-connection.execute(VOUCHERS_READ).scalar_one())

    def note_after(session):
        read[-1] += session.execute(VOUCHERS_READ).scalar_one()

    event.listen(Session, "after_begin", note_before)
    event.listen(Session, "before_commit", note_after)
    try:
        task_named("redemptions.redeem_many")(
            request={"requests": [redemption(voucher=each["id"]) for each in vouchers]}
        )
    finally:
        event.remove(Session, "after_begin", note_before)
        event.remove(Session, "before_commit", note_after)
    assert len(read) == 1
    assert 10 <= read[0] <= 100
