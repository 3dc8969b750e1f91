"""The query plans of `billing.list` and `reversals.list`: index scans that read no more rows than a page needs."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.invoices.list import list_invoices
from tasks.invoices.list_reversals import list_reversals
from tasks.invoices.messages import ListInvoices, ListReversals
from tasks.wire.fields import type_id
from tests.support.administrator import administrators_engine
from tests.vouchers.query_plans import FIRST, LAST, explained_as_json, nodes_of

pytestmark = pytest.mark.usefixtures("database")

MANY, PAGE = 20_000, 50
# Ten invoices have the same instant. One in a hundred belongs to another customer, and to another subscription.
INSERT = (
    text("""
        INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
        SELECT 'gigs', 'inv_' || number, '', 'sub_' || (number % 100 = 0)::int, 'cus_' || (number % 100 = 0)::int,
               '{}', now() + number / 10 * interval '1 second'
        FROM generate_series(1, :many) AS number
    """),
    text("""
        INSERT INTO invoice_reversals (project, id, invoice, kind, lines, answer, created_at)
        SELECT project, gen_random_uuid(), invoice,
               CASE WHEN customer = 'cus_0' THEN 'refunded' ELSE 'voided' END, '[]',
               json_build_object('subscription', subscription, 'customer', customer), applied_at
        FROM invoice_discounts
    """),
)
KNOWN = (
    text("""
        SELECT pg_clear_relation_stats(schemaname, relation) FROM pg_indexes
        CROSS JOIN LATERAL unnest(ARRAY[tablename, indexname]) AS relation
        WHERE tablename IN ('invoice_discounts', 'invoice_reversals')
    """),
    text("ANALYZE invoice_discounts, invoice_reversals"),
)


@pytest.fixture(autouse=True)
def _as_small_as_before() -> Iterator[None]:
    """Make the indexes anew, which the many rows have made deeper, because the plans of other tests depend on it."""
    yield
    with administrators_engine().begin() as connection:
        for table in ("invoice_discounts", "invoice_reversals"):
            connection.execute(text(f"REINDEX TABLE {table}"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [0, 1])
def test_a_page_skips_no_rows(number):
    """Of an owner with many rows or with few, from every position, with and without statistics."""
    owners = [{"customer": f"cus_{number}"}, {"subscription": f"sub_{number}"}]
    positions: list[dict[str, Any]] = [{}, {"after": "inv_10000"}, {"before": "inv_10000"}]
    ids = [{}, {"after": type_id("rev", UUID(LAST))}, {"before": type_id("rev", UUID(FIRST))}]
    kinds: tuple[dict[str, Any], ...] = ({}, {"kind": ["voided"]}, {"kind": ["refunded", "charged_back"]})
    with Session(administrators_engine()) as session:
        for statement in INSERT:
            session.execute(statement, {"many": MANY})
        for know in KNOWN:
            session.execute(know)
            for owner in owners:
                for position in positions:
                    request = {"project": "gigs", "limit": PAGE, **owner, **position}
                    with explained_as_json(session) as plans:
                        list_invoices(session, ListInvoices.model_validate(request))
                    # A page, the ties of its last instant, the position and two probes, with ties before and after.
                    assert rows_read(plans, "invoice_discounts") <= PAGE + 60, request
                for fields in (each | kind for each in ids for kind in kinds):
                    request = {"project": "gigs", "limit": PAGE, **owner, **fields}
                    with explained_as_json(session) as plans:
                        list_reversals(session, ListReversals.model_validate(request))
                    assert rows_read(plans, "invoice_reversals") <= PAGE + 2, request
        session.rollback()


def rows_read(plans: list[dict[str, Any]], table: str) -> int:
    """Return the number of rows of a table that plans read, all by index scans, those in vain included."""
    nodes = [node for plan in plans for node in nodes_of(plan["Plan"]) if "Relation Name" in node]
    assert {node["Node Type"] for node in nodes} <= {"Index Scan", "Index Only Scan"}
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes
        if node["Relation Name"] == table
    )
