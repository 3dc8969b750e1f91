"""The query plans of a page of vouchers: only rows of the page are read."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tasks.vouchers.list import list_vouchers
from tasks.vouchers.messages import ListVouchers
from tests.support.administrator import administrators_engine
from tests.vouchers.query_plans import FIRST, LAST, explained_as_json, nodes_of

pytestmark = pytest.mark.usefixtures("database")

# So many that a scan of all of them cannot be mistaken for a page.
MANY = 100_000
PAGE = 200
# The blocks from the root of an index down to the leaves with a page's entries, for the page and both cursors.
INDEX_BLOCKS_MAX = 24
# Psycopg prepares a statement after so many executions.
EXECUTIONS_UNTIL_PREPARED = 6
INSERT_MANY = text("""
    INSERT INTO vouchers (project, id, created_at, name, code, percentage_millionths, recurrence, metadata,
                          campaign, retired_reason, retired_at)
    SELECT :project, gen_random_uuid(), now(), 'Many', 'CODE-' || number, 100000, 'once', '{}',
           CASE WHEN number % 3 = 0 THEN 'spring' END,
           CASE WHEN is_retired THEN 'manualAction' END, CASE WHEN is_retired THEN now() END
    FROM (SELECT number, number % 100 < :percent AS is_retired FROM generate_series(1, :how_many) AS number) AS each
""")
# A thousandth has each name and each pair of metadata.
INSERT_NAMED = text("""
    INSERT INTO vouchers (project, id, created_at, name, percentage_millionths, recurrence, metadata)
    SELECT :project, gen_random_uuid(), now(), 'Named ' || to_char(number % 1000, 'FM000'), 100000, 'once',
           json_build_object('team', number % 1000)
    FROM generate_series(1, :how_many) AS number
""")
INSERT_CODES = text("""
    INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
    SELECT project, id, id, code, created_at, true FROM vouchers WHERE project = :project
""")
# Autovacuum takes such tables for empty, and so leaves them alone until the end of the transaction.
FORGET_STATISTICS = text("""
    SELECT pg_clear_relation_stats(schemaname, relation) FROM pg_indexes
    CROSS JOIN LATERAL unnest(ARRAY[tablename, indexname]) AS relation WHERE tablename IN ('vouchers', 'codes')
""")
PAGES: list[dict[str, Any]] = [
    {},
    {"after": LAST},
    {"before": LAST},
    {"before": FIRST},
    {"after": "80000000-0000-7000-8000-000000000000"},
    {"status": ["retired"]},
    {"status": ["retired"], "before": FIRST},
    {"status": ["available", "retired"]},
    {"status": ["available", "retired"], "before": FIRST},
    {"code": "code-77", "status": ["available", "retired"]},
    {"campaign": "spring"},
    {"campaign": "spring", "status": ["retired"], "before": LAST},
    {"campaign": "none"},
]
# An index finds these vouchers, and they are sorted.
FOUND: list[dict[str, Any]] = [
    {"name": "Named 077", "status": ["available", "retired"]},
    {"metadata": {"team": 77}, "status": ["available", "retired"]},
    {"metadata": {"team": 77}},
    {"metadata": {"team": 77}, "name": "Named 078"},
    {"metadata": {"team": 77}, "name": "Named 077", "createdFrom": "2031-01-01T00:00:00Z"},
]
FOUND_OF = 20_000


@pytest.fixture(params=[1, 99])
def many(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Yield a transaction with many vouchers in random order, of which the parameter's percentage is retired."""
    with Session(administrators_engine(), info={"project": request.node.nodeid}) as session:
        # Each test has a new project: no rows that an earlier test rolled back lie between the rows of the project.
        session.execute(INSERT_MANY, {"project": request.node.nodeid, "how_many": MANY, "percent": request.param})
        session.execute(INSERT_CODES, {"project": request.node.nodeid})
        yield session
        session.rollback()


def page_of_many(session: Session, **fields: Any) -> dict[str, Any]:
    """List a large page of the many vouchers."""
    body = {"project": session.info["project"], "limit": PAGE, **fields}
    request = ListVouchers.model_validate(body)
    return list_vouchers(session, request, narrowed_by=request.filter())


@pytest.mark.slow
def test_a_page_reads_its_own_rows_and_nothing_else_wherever_it_lies(many):
    """An index gives the rows in order, with or without statistics: the rows of the page, and a row for each cursor."""
    many.execute(FORGET_STATISTICS)
    _check_plans(many)
    many.execute(text("ANALYZE vouchers, codes"))
    _check_plans(many)
    # A statement that is executed often is prepared, and planned without the parameters.
    many.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    _check_blocks(many)


def _check_plans(session: Session) -> None:
    for fields in PAGES:
        with explained_as_json(session) as plans:
            answer = page_of_many(session, **fields)
        assert "code" not in fields or len(answer["items"]) == 1
        nodes = [node for plan in plans for node in nodes_of(plan["Plan"])]
        scans = [node for node in nodes if node.get("Relation Name") in {"vouchers", "codes"}]
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, fields
        assert not [node for node in nodes if node.get("Rows Removed by Filter")], fields
        assert "code" in fields or "Sort" not in {node["Node Type"] for node in nodes}, fields
        # Each cursor reads a row, and a filter by code reads a code.
        rows_max = len(answer["items"]) + (3 if "code" in fields else 2)
        assert sum(node["Actual Rows"] * node["Actual Loops"] for node in scans) <= rows_max, fields
        blocks = sum(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] for plan in plans)
        assert blocks <= rows_max + INDEX_BLOCKS_MAX, fields


def _check_blocks(session: Session) -> None:
    for fields in PAGES:
        for _ in range(EXECUTIONS_UNTIL_PREPARED + 1):
            before = _blocks_fetched(session)
            answer = page_of_many(session, **fields)
            fetched = _blocks_fetched(session) - before
        assert fetched <= len(answer["items"]) + 2 + INDEX_BLOCKS_MAX, fields


@pytest.mark.slow
def test_a_filter_reads_the_vouchers_that_an_index_finds_and_no_others(database: dict[str, str]):  # noqa: ARG001 - empty
    """With or without statistics. Without a filter by them, a page would read all vouchers."""
    with Session(administrators_engine(), info={"project": "named"}) as session:
        session.execute(INSERT_NAMED, {"project": "named", "how_many": FOUND_OF})
        for statement in (FORGET_STATISTICS, text("ANALYZE vouchers")):
            session.execute(statement)
            for fields in FOUND:
                with explained_as_json(session) as plans:
                    page_of_many(session, **fields)
                nodes = [node for plan in plans for node in nodes_of(plan["Plan"])]
                assert "Seq Scan" not in {node["Node Type"] for node in nodes}, fields
                read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes]
                assert max(read, default=0) <= FOUND_OF / 1_000, (fields, read)
        session.rollback()


def _blocks_fetched(session: Session) -> int:
    # The blocks of the table and the indexes that this transaction has fetched.
    fetched = """
        SELECT sum(pg_stat_get_xact_blocks_fetched(indexrelid))
               + pg_stat_get_xact_blocks_fetched('vouchers'::regclass)
        FROM pg_index WHERE indrelid = 'vouchers'::regclass
    """
    return int(session.execute(text(fetched)).scalar_one())
