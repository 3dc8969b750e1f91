"""The query plans of `redemptions.list` and `holds.list` read no more rows than a page shows, whatever is known."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from models.base import first_id_at, read_clock
from models.redemptions.listing import REASONS
from tasks.redemptions.list import list_redemptions
from tasks.redemptions.list_holds import list_holds
from tasks.redemptions.messages import ListHolds, ListRedemptions
from tasks.wire.fields import type_id
from tests.support.administrator import administrators_engine
from tests.support.requests import create_voucher
from tests.vouchers.query_plans import FIRST, LAST, explained_as_json, nodes_of

pytestmark = pytest.mark.usefixtures("database")

MANY, PAGE = 20_000, 50
CODE = "00000000-0000-7000-8000-0000000000aa"
MIDDLE = "80000000-0000-7000-8000-000000000000"
# Of a hundred requests, some are accepted. Of the others, nearly all have the same reason, and one is unknown.
INSERT = (
    text("""
        INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
        SELECT project, CAST(:code AS uuid), id, 'SUMMER', now(), false FROM vouchers
    """),
    text("""
        INSERT INTO redemptions (project, request_id, id, fingerprint, voucher_id, code, code_id, customer,
                                 subscription, reason, redemption_number, effective_at, decided_at)
        SELECT vouchers.project, 'order-' || number, gen_random_uuid(), '',
               CASE WHEN reason IS NULL OR reason <> 'voucher_not_found' THEN vouchers.id END,
               CASE WHEN reason = 'voucher_not_found' THEN 'SUMER' ELSE 'SUMMER' END,
               CASE WHEN reason IS NULL OR reason <> 'voucher_not_found' THEN CAST(:code AS uuid) END,
               'cus_1', CASE WHEN reason IS NULL THEN 'sub_' || number ELSE 'sub_1' END, reason,
               CASE WHEN reason IS NULL THEN number END, now(), now()
        FROM vouchers, (
            SELECT number, CASE
                WHEN number % 100 < :percent THEN NULL
                WHEN number % 500 = 499 THEN 'voucher_expired'
                WHEN number % 2 = 1 THEN 'voucher_not_found'
                ELSE 'max_redemptions_reached'
            END AS reason
            FROM generate_series(1, :many) AS number
        ) AS e
    """),
    text("""
        INSERT INTO discounts (project, id, voucher_id, customer, subscription, created_at, percentage_millionths,
                               recurrence, starts_on, starts_on_in_utc, status, ended_at)
        SELECT project, id, voucher_id, customer, subscription, decided_at, 100000, 'once', '2027-01-01', '2027-01-01',
               CASE WHEN redemption_number % 7 = 0 THEN 'running' ELSE 'ended' END,
               CASE WHEN redemption_number % 7 <> 0 THEN now() END
        FROM redemptions WHERE reason IS NULL
    """),
)
INSERT_HOLDS = text("""
    INSERT INTO holds (project, request_id, id, fingerprint, voucher_id, customer, subscription, request, reason,
                       effective_at, created_at, expires_at, status, closed_at)
    SELECT vouchers.project, 'order-' || number, gen_random_uuid(), '', vouchers.id, 'cus_1',
           CASE WHEN status = 'open' THEN 'sub_' || number ELSE 'sub_1' END, '{}',
           CASE WHEN status = 'refused' THEN 'voucher_expired' END, now(), now(),
           CASE WHEN status <> 'refused' THEN now() + interval '1 hour' END, status,
           CASE WHEN status NOT IN ('open', 'refused') THEN now() END
    FROM vouchers, (
        SELECT number, CASE
            WHEN number % 100 < :percent THEN 'released'
            WHEN number % 500 = 499 THEN 'lapsed'
            WHEN number % 2 = 1 THEN 'refused'
            ELSE 'open'
        END AS status
        FROM generate_series(1, :many) AS number
    ) AS e
""")
FORGET = text("""
    SELECT pg_clear_relation_stats(schemaname, relation) FROM pg_indexes
    CROSS JOIN LATERAL unnest(ARRAY[tablename, indexname]) AS relation
    WHERE tablename IN ('codes', 'vouchers', 'discounts', 'redemptions', 'discount_changes', 'holds')
""")
KNOWN = (FORGET, text("ANALYZE codes, vouchers, discounts, redemptions, discount_changes, holds"))
POSITIONS: list[dict[str, Any]] = [{}, {"after": LAST}, {"before": FIRST}, {"after": MIDDLE}]
REASONS_LISTED: list[dict[str, Any]] = [
    {},
    {"outcome": "accepted"},
    {"outcome": "refused"},
    {"reason": ["voucher_expired"]},
    {"reason": ["max_redemptions_reached", "customer_limit_reached"]},
    {"reason": ["voucher_not_found"]},
]


@pytest.fixture(autouse=True)
def _as_small_as_before() -> Iterator[None]:
    """Make the indexes anew, which the many rows have made deeper, because the plans of other tests depend on it."""
    yield
    with administrators_engine().begin() as connection:
        for table in ("codes", "vouchers", "discounts", "redemptions", "holds"):
            connection.execute(text(f"REINDEX TABLE {table}"))


@pytest.mark.slow
@pytest.mark.parametrize("percent", [1, 99])
def test_a_page_of_redemptions_skips_no_rows(percent):
    """Of each owner, and of the project: a page of each outcome, and a row more to look for the next page."""
    voucher = create_voucher()["id"]
    owners = [{}, {"customer": "cus_1"}, {"voucher": voucher}, {"code": "SUMMER"}, {"code": "sumer"}]
    # Few requests of this subscription were accepted, and all its refusals have an index.
    owners.append({"subscription": "sub_1"})
    with Session(administrators_engine()) as session:
        for statement in INSERT:
            session.execute(statement, {"many": MANY, "percent": percent, "code": CODE})
        for know in KNOWN:
            session.execute(know)
            for owner in owners:
                for fields in REASONS_LISTED:
                    for position in POSITIONS[: 4 if fields == {} else 2]:
                        assert_skips_no_rows(session, {**owner, **fields, **position})
        session.rollback()


def test_a_span_of_time_is_a_range_of_an_index():
    """Rows before and after the span are not read, with and without an owner."""
    voucher = create_voucher()["id"]
    with Session(administrators_engine()) as session:
        for statement in INSERT:
            session.execute(statement, {"many": MANY, "percent": 50, "code": CODE})
        now = read_clock(session)
        # All ids are random but five, which have the present instant. A trigger would refuse the update.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(
            text("""
                WITH moved AS (SELECT id FROM redemptions WHERE reason IS NULL LIMIT 5),
                    of_discounts AS (
                        UPDATE discounts SET id = overlay(id::text PLACING :beginning FROM 1 FOR 18)::uuid
                        WHERE id IN (SELECT id FROM moved)
                    )
                UPDATE redemptions SET id = overlay(id::text PLACING :beginning FROM 1 FOR 18)::uuid
                WHERE id IN (SELECT id FROM moved)
            """),
            {"beginning": str(first_id_at(now))[:18]},
        )
        session.execute(KNOWN[1])
        for owner in ({}, {"customer": "cus_1"}, {"voucher": voucher}, {"code": "SUMMER"}):
            span = {"decidedFrom": now.isoformat(), "decidedBefore": now.replace(year=now.year + 1).isoformat()}
            request = ListRedemptions.model_validate({"project": "gigs", **owner, **span})
            with explained_as_json(session) as plans:
                listed = list_redemptions(session, request)["items"]
            assert len(listed) >= 5
            assert rows_read(plans, "redemptions") < 10 * len(listed), owner
        session.rollback()


@pytest.mark.slow
@pytest.mark.parametrize("percent", [1, 99])
def test_a_page_of_holds_skips_no_rows(percent):
    """Neither refused requests nor holds of another status."""
    voucher = create_voucher()["id"]
    with Session(administrators_engine()) as session:
        session.execute(INSERT_HOLDS, {"many": MANY, "percent": percent})
        for know in KNOWN:
            session.execute(know)
            for owner in ({"customer": "cus_1"}, {"subscription": "sub_1"}, {"voucher": voucher}):
                for fields in ({}, {"status": ["open"]}, {"status": ["lapsed", "confirmed"]}):
                    for position in POSITIONS:
                        request = {"project": "gigs", "limit": PAGE, **owner, **fields, **as_ids("hol", position)}
                        with explained_as_json(session) as plans:
                            list_holds(session, ListHolds.model_validate(request))
                        assert_index_scans(plans, request)
                        assert rows_read(plans, "holds") <= 5 * (PAGE + 2), request
        session.rollback()


def assert_skips_no_rows(session: Session, fields: dict[str, Any]) -> None:
    """Check the plans of a page: index scans only, and no more rows than the page needs."""
    request = {"project": "gigs", "limit": PAGE, **as_ids("red", fields)}
    with explained_as_json(session) as plans:
        list_redemptions(session, ListRedemptions.model_validate(request))
    assert_index_scans(plans, fields)
    # A page of each outcome, of which few have rows here: three statuses of discounts, and three reasons. The two
    # probes for neighbouring pages read a row of each.
    assert rows_read(plans, "redemptions") <= 6 * (PAGE + 2), fields
    assert rows_read(plans, "discounts") <= 3 * (PAGE + 2), fields


def as_ids(prefix: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with TypeIDs as positions."""
    return {name: type_id(prefix, UUID(each)) if name in {"after", "before"} else each for name, each in fields.items()}


def assert_index_scans(plans: list[dict[str, Any]], fields: dict[str, Any]) -> None:
    """Check that every table is read by an index only, and no row is read in vain."""
    every = [node for plan in plans for node in nodes_of(plan["Plan"])]
    scans = [node for node in every if "Relation Name" in node]
    assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, fields
    wrong = [node["Index Name"] for node in scans if node.get("Rows Removed by Filter")]
    assert wrong == [], fields


def rows_read(plans: list[dict[str, Any]], table: str) -> int:
    """Return the number of rows of a table that plans read."""
    nodes = [node for plan in plans for node in nodes_of(plan["Plan"]) if node.get("Relation Name") == table]
    return sum(int(node["Actual Rows"] * node["Actual Loops"]) for node in nodes)


def test_every_reason_is_a_refusal_that_is_stored():
    """The page of all outcomes reads each of them."""
    not_stored = {Refusal.IDEMPOTENCY_CONFLICT, Refusal.TOO_MANY_ATTEMPTS, Refusal.FULLY_RESERVED}
    assert frozenset(Refusal) - REASONS == not_stored
