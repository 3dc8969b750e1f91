"""A tenant that the statistics do not know yet is served as fast as all others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from tests.database.test_references import VOUCHERS_READ
from tests.support.database import forget_other_tests, run_by_itself
from tests.support.requests import add_codes, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named
from worker import database as db
from worker.database import engine

MANY = 1_000
# As long as an id may be: the index of the ids is then the deeper one, and reading another one looks cheaper.
FILLER = "x" * 200

pytestmark = pytest.mark.usefixtures("database")


def fill(project: str) -> dict[str, Any]:
    """This function will give a tenant many codes, redemptions and invoices, and return their voucher."""
    voucher = create_voucher(project=project)
    add_codes(voucher, *({"code": f"{FILLER}-{index}"} for index in range(MANY)))
    redeem_each(project, range(MANY))
    return voucher


def redeem_each(project: str, indexes: range, *, again: str = "") -> list[dict[str, Any]]:
    """This function will redeem each of these codes for a subscription of its own."""
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
    """This context will note how many rows each scan of an index has read in vain, and in which statement."""
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
    """This function will return a plan's nodes."""
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def test_no_statement_walks_along_all_that_a_new_tenant_has():
    """Whose rows came after the last ANALYZE, which knows one tenant and takes every other one for empty."""
    fill("first")
    run_by_itself("ANALYZE")
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


def test_no_statement_walks_along_a_table_while_a_new_database_grows():
    """Of which Postgres knows nothing yet, and whose first plans it may keep."""
    forget_other_tests()
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


def test_no_statement_goes_through_vouchers_that_came_after_its_plan(monkeypatch):
    """While all redeemed one voucher, a plan that began with the vouchers was as good as one with the requests."""
    forget_other_tests()
    monkeypatch.setattr(db, "PLANNED_SECONDS_MAX", 0)
    only = create_voucher()
    run_by_itself("ANALYZE")
    # Five that are not prepared, five that are planned for what they carry, and then one plan for all.
    for _ in range(12):
        assert redeem(voucher=only["id"])["outcome"] == "accepted"
    vouchers = [create_voucher() for _ in range(300)][:10]
    read = []

    def note(session):
        read.append(session.execute(VOUCHERS_READ).scalar_one())

    event.listen(Session, "before_commit", note)
    try:
        task_named("redemptions.redeem_many")(
            request={"requests": [redemption(voucher=each["id"]) for each in vouchers]}
        )
    finally:
        event.remove(Session, "before_commit", note)
    assert len(read) == 1
    assert 10 <= read[0] <= 100
