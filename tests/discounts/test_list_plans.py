"""The query plans of `discounts.list` read no more rows than a page shows, with and without statistics."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.discounts.list import list_discounts
from tasks.discounts.messages import ListDiscounts
from tasks.wire.fields import type_id
from tests.support.administrator import administrators_engine
from tests.support.requests import create_voucher
from tests.vouchers.query_plans import FIRST, LAST, explained_as_json, nodes_of

pytestmark = pytest.mark.usefixtures("database")

MANY, PAGE = 20_000, 50
# One in a hundred discounts is running, or all but one in a hundred.
INSERT = text("""
    INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_millionths,
                           recurrence, starts_on, starts_on_in_utc, status, ended_at)
    SELECT vouchers.project, gen_random_uuid(), vouchers.id, 'cus_1', 'sub_' || number, now(), 100000, 'once',
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
def test_a_page_of_a_customer_or_a_voucher_skips_no_rows(percent):
    """A page of each status is read, a row more to look for the next page, and the rows shown."""
    voucher = create_voucher()["id"]
    with Session(administrators_engine()) as session:
        session.execute(INSERT, {"many": MANY, "percent": percent})
        for know in (FORGET, text("ANALYZE vouchers, discounts")):
            session.execute(know)
            for owner in ({"customer": "cus_1"}, {"voucher": voucher}):
                for fields in PAGES:
                    assert_skips_no_rows(session, {**owner, **fields})
        session.rollback()


def assert_skips_no_rows(session: Session, fields: dict[str, Any]) -> None:
    """Check the plans of a page: index scans only, and no more rows than the page needs."""
    given = {name: type_id("dis", UUID(each)) if name in {"after", "before"} else each for name, each in fields.items()}
    request = ListDiscounts.model_validate({"project": "gigs", "limit": PAGE, **given})
    with explained_as_json(session) as plans:
        list_discounts(session, request)
    nodes = [node for plan in plans for node in nodes_of(plan["Plan"])]
    scans = [node for node in nodes if node.get("Relation Name") == "discounts"]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, fields
    assert not [node for node in nodes if node.get("Rows Removed by Filter")], fields
    statuses = len(fields.get("status", ["running", "completed", "ended"]))
    # A page of each status, and the rows of the page. The two probes for neighbouring pages read a row of each.
    rows_max = (statuses + 1) * (PAGE + 1) + 2 * (statuses + 1)
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= rows_max, fields
