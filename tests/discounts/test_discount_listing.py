"""A page of discounts passes over nothing that it does not show, however many there are and whatever is known."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.discounts.list import list_discounts
from tasks.discounts.messages import ListDiscounts
from tasks.wire.fields import type_id
from tests.support.requests import create_voucher
from tests.vouchers.test_listing import FIRST, LAST, _explained, _nodes
from worker.database import engine

pytestmark = pytest.mark.usefixtures("database")

MANY, PAGE = 20_000, 50
# One in a hundred runs, or all but one.
INSERT = text("""
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_basis_points,
                           recurrence, starts_on, starts_on_in_utc, status, ended_at)
    SELECT vouchers.project, gen_random_uuid(), vouchers.id, 'cus_1', 'sub_' || number, now(), 1000, 'once',
           '2027-01-01', '2027-01-01', CASE WHEN is_running THEN 'running' ELSE 'ended' END,
           CASE WHEN NOT is_running THEN now() END
    FROM vouchers, (SELECT number, number % 100 < :percent AS is_running FROM generate_series(1, :many) AS number) AS e
""")
FORGET = text("""
    SELECT pg_clear_relation_stats(schemaname, relation) FROM pg_indexes
    CROSS JOIN LATERAL unnest(ARRAY[tablename, indexname]) AS relation WHERE tablename IN ('vouchers', 'discounts')
""")
PAGES: list[dict[str, Any]] = [
    {},
    {"after": LAST},
    {"before": FIRST},
    {"after": "80000000-0000-7000-8000-000000000000"},
    {"status": ["running"]},
    {"status": ["ended"], "before": FIRST},
    {"status": ["completed"]},
    {"status": ["running", "completed"]},
]


@pytest.mark.parametrize("percent", [1, 99])
def test_a_page_of_a_customer_or_a_voucher_passes_over_nothing(percent):
    """Of each status a page at most is read, and one for what lies beyond; then the rows that are shown."""
    voucher = create_voucher()["id"]
    with Session(engine()) as session:
        session.execute(INSERT, {"many": MANY, "percent": percent})
        for know in (FORGET, text("ANALYZE vouchers, discounts")):
            session.execute(know)
            for whose in ({"customer": "cus_1"}, {"voucher": voucher}):
                for fields in PAGES:
                    _check(session, {**whose, **fields})
        session.rollback()


def _check(session: Session, fields: dict[str, Any]) -> None:
    given = {name: type_id("dis", UUID(each)) if name in {"after", "before"} else each for name, each in fields.items()}
    request = ListDiscounts.model_validate({"project": "gigs", "limit": PAGE, **given})
    with _explained(session) as plans:
        list_discounts(session, request)
    nodes = [node for plan in plans for node in _nodes(plan["Plan"])]
    scans = [node for node in nodes if node.get("Relation Name") == "discounts"]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, fields
    assert not [node for node in nodes if node.get("Rows Removed by Filter")], fields
    statuses = len(fields.get("status", ["running", "completed", "ended"]))
    # A page of each status and the rows of the page, and the same for each probe, of one.
    rows_max = (statuses + 1) * (PAGE + 1) + 2 * (statuses + 1)
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= rows_max, fields
