"""Listing vouchers: order, cursors, filters, and what a page costs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from tasks.vouchers.list import list_vouchers
from tasks.vouchers.messages import ListVouchers
from tasks.wire.errors import InvalidRequest
from tests.support.requests import create_voucher
from tests.support.tasks import task_named
from worker.database import engine

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def page(**fields: Any) -> dict[str, Any]:
    """This function will list vouchers of the project."""
    answer: dict[str, Any] = task_named("vouchers.list")(request={"project": "gigs", **fields})
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    """This function will return the ids on a page, in its order."""
    return [item["id"] for item in answer["items"]]


def created(how_many: int, **fields: Any) -> list[str]:
    """This function will create so many vouchers and return their ids, newest first."""
    return [create_voucher(**fields)["id"] for _ in range(how_many)][::-1]


def retired(how_many: int, **fields: Any) -> list[str]:
    """This function will create so many vouchers, retire them, and return their ids, newest first."""
    made = []
    for _ in range(how_many):
        made.append(create_voucher(**fields)["id"])
        task_named("vouchers.retire")(request={"project": "gigs", "voucher": made[-1]})
    return made[::-1]


def test_vouchers_are_listed_newest_first_as_they_are_retrieved():
    """With every field."""
    made = created(3, code=None, restrictions={"maximumRedemptions": 3}, metadata={"a": 1})
    answer = page()
    assert answer["object"] == "list"
    assert answer["items"] == [
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": each}) for each in made
    ]
    assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


def test_nothing_is_listed_on_an_empty_database():
    """And nothing is more."""
    assert page() == {"object": "list", "items": [], "moreItemsAfter": None, "moreItemsBefore": None}


def test_a_page_holds_ten_unless_said_otherwise():
    """As in Gigs."""
    made = created(11)
    answer = page()
    assert ids(answer) == made[:10]
    assert answer["moreItemsAfter"] == made[9]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_pages_after_each_other_hold_everything_once(size):
    """Also where the last page is full."""
    made = created(6)
    walked, answer = [], page(limit=size)
    while True:
        walked.extend(ids(answer))
        assert answer["moreItemsBefore"] == (ids(answer)[0] if ids(answer)[0] != made[0] else None)
        if answer["moreItemsAfter"] is None:
            break
        assert answer["moreItemsAfter"] == ids(answer)[-1]
        answer = page(limit=size, after=answer["moreItemsAfter"])
    assert walked == made


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_pages_before_each_other_hold_everything_once_and_newest_first(size):
    """From the oldest back to the newest."""
    made = created(6)
    walked, answer = made[-1:], page(limit=size, before=made[-1])
    while True:
        walked = ids(answer) + walked
        assert answer["moreItemsAfter"] == ids(answer)[-1]
        if answer["moreItemsBefore"] is None:
            break
        assert answer["moreItemsBefore"] == ids(answer)[0]
        answer = page(limit=size, before=answer["moreItemsBefore"])
    assert walked == made


def test_before_is_the_page_next_to_the_position():
    """Not the first one of the list."""
    made = created(6)
    assert ids(page(limit=2, before=made[4])) == made[2:4]


def test_a_walk_is_stable_while_vouchers_are_being_created():
    """Nothing twice, nothing old missed; what is new comes before the first page."""
    made = created(5)
    first = page(limit=2)
    new = created(3)
    second = page(limit=2, after=first["moreItemsAfter"])
    newest = created(1)
    third = page(limit=2, after=second["moreItemsAfter"])
    assert ids(first) + ids(second) + ids(third) == made
    back = page(limit=4, before=ids(second)[0])
    assert ids(back) == new[1:] + made[:2]
    assert ids(page(limit=4, before=back["moreItemsBefore"])) == newest + new[:1]


@pytest.mark.parametrize("direction", ["after", "before"])
def test_a_cursor_is_a_position_whether_or_not_its_voucher_is_there(direction):
    """Another project's, one that does not exist, and one that has another status by now."""
    older = created(2)
    position = {
        "gone": retired(1)[0],
        "foreign": created(1, project="other")[0],
        "plain": str(UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")),
    }
    newer = created(2)
    expected = {"after": older, "before": newer}[direction]
    assert ids(page(**{direction: position["gone"]})) == expected
    assert ids(page(**{direction: position["foreign"]})) == expected
    assert ids(page(**{direction: position["plain"]})) == {"after": newer + older, "before": []}[direction]


@pytest.mark.parametrize("how_many", [0, 1, 200])
def test_a_page_holds_as_many_as_asked_for(how_many):
    """None at all means that nothing is said about more either."""
    made = created(201)
    answer = page(limit=how_many)
    assert ids(answer) == made[:how_many]
    assert answer["moreItemsAfter"] == (made[how_many - 1] if how_many else None)
    assert answer["moreItemsBefore"] is None


def test_a_status_is_a_filter_and_available_unless_said_otherwise():
    """One, the other, or both, whichever comes first."""
    first, second, third, fourth = created(1), retired(1), created(1), retired(1)
    assert ids(page()) == ids(page(status=["available"])) == third + first
    assert ids(page(status=["retired"])) == fourth + second
    both = fourth + third + second + first
    assert ids(page(status=["retired", "available"])) == ids(page(status=["available", "retired"])) == both
    assert ids(page(status=["retired", "retired"])) == fourth + second


def test_more_is_told_of_what_the_filter_lets_pass():
    """A page that holds all the retired ones is the only one, whatever else there is."""
    created(2), retired(2), created(2)
    answer = page(status=["retired"], limit=2)
    assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


def test_a_code_is_a_filter_without_regard_to_case():
    """Every voucher that carries it, with the other filters and the cursors."""
    old = retired(3, code="SUMMER")
    new = created(1, code="Summer")
    created(1, code="WINTER"), created(1)
    assert ids(page(code="  sUMMer")) == new
    assert ids(page(code="SUMMER", status=["retired"], limit=2)) == old[:2]
    assert ids(page(code="SUMMER", status=["retired"], after=old[1])) == old[2:]
    assert ids(page(code="SUMMER", status=["retired", "available"])) == new + old
    assert ids(page(code="SUMMER", before=old[0])) == new
    assert page(code="SPRING")["items"] == []


def test_other_projects_are_invisible():
    """Neither listed nor counted as more."""
    created(1, project="other", code="SUMMER")
    mine = created(1, code="SUMMER")
    created(1, project="other")
    for answer in (page(), page(code="SUMMER")):
        assert ids(answer) == mine
        assert (answer["moreItemsAfter"], answer["moreItemsBefore"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"limit": 201}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"limit": None}, "limit"),
        ({"status": []}, "status"),
        ({"status": "available"}, "status"),
        ({"status": ["open"]}, "status.0"),
        ({"status": ["available", "retired", "retired"]}, "status"),
        ({"code": "a b"}, "code"),
        ({"after": "SUMMER"}, "after"),
        ({"after": UNKNOWN, "before": UNKNOWN}, "before"),
        ({"after": "SUMMER", "before": UNKNOWN}, "after"),
        ({"before": UNKNOWN.replace("vou", "dis")}, "before"),
        ({"sort": "name"}, "sort"),
        ({"project": ""}, "project"),
    ],
)
def test_what_cannot_be_understood_is_refused(fields, bad):
    """With the field that is wrong, and never its value."""
    with pytest.raises(InvalidRequest) as refused:
        page(**fields)
    assert refused.value.errors[0]["field"] == bad
    assert "SUMMER" not in str(refused.value)


# Enough that a walk along all of them cannot be taken for a page.
MANY = 100_000
PAGE = 200
# The way down from the root of an index and the leaves that hold a page's entries, for the page and both probes.
INDEX_BLOCKS_MAX = 24
# Psycopg's own number.
EXECUTIONS_UNTIL_PREPARED = 6
INSERT_MANY = text("""
    INSERT INTO vouchers (project, id, created_at, name, code, percentage_basis_points, recurrence, metadata,
                          retired_reason, retired_at)
    SELECT :project, gen_random_uuid(), now(), 'Many', 'CODE-' || number, 1000, 'once', '{}',
           CASE WHEN is_retired THEN 'manualAction' END, CASE WHEN is_retired THEN now() END
    FROM (SELECT number, number % 100 < :percent AS is_retired FROM generate_series(1, :how_many) AS number) AS each
""")
INSERT_CODES = text("""
    INSERT INTO codes (project, id, voucher_id, code, created_at, is_primary)
    SELECT project, id, id, code, created_at, true FROM vouchers WHERE project = :project
""")
# It also keeps autovacuum from the tables to the end of the transaction: to it they are empty.
FORGET_STATISTICS = text("""
    SELECT pg_clear_relation_stats(schemaname, relation) FROM pg_indexes
    CROSS JOIN LATERAL unnest(ARRAY[tablename, indexname]) AS relation WHERE tablename IN ('vouchers', 'codes')
""")
FIRST, LAST = "00000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"
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
]


@pytest.fixture(params=[1, 99])
def many(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A transaction with many vouchers scattered over the table, of which that share in percent was retired."""
    with Session(engine(), info={"project": request.node.nodeid}) as session:
        # A project of each test's own: what an earlier one rolled back lies between nothing of this one.
        session.execute(INSERT_MANY, {"project": request.node.nodeid, "how_many": MANY, "percent": request.param})
        session.execute(INSERT_CODES, {"project": request.node.nodeid})
        yield session
        session.rollback()


def page_of_many(session: Session, **fields: Any) -> dict[str, Any]:
    """This function will list a large page of the many vouchers."""
    body = {"project": session.info["project"], "limit": PAGE, **fields}
    return list_vouchers(session, ListVouchers.model_validate(body))


def test_a_page_reads_its_own_rows_and_nothing_else_wherever_it_lies(many):
    """By an index, in its order, whatever the statistics say: the rows of a page, and one for what lies beyond."""
    many.execute(FORGET_STATISTICS)
    _check_plans(many)
    many.execute(text("ANALYZE vouchers, codes"))
    _check_plans(many)
    # A statement that is sent often is prepared, and planned without its parameters.
    many.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    _check_blocks(many)


def _check_plans(session: Session) -> None:
    for fields in PAGES:
        with _explained(session) as plans:
            answer = page_of_many(session, **fields)
        assert "code" not in fields or len(answer["items"]) == 1
        nodes = [node for plan in plans for node in _nodes(plan["Plan"])]
        scans = [node for node in nodes if node.get("Relation Name") in {"vouchers", "codes"}]
        assert {node["Node Type"] for node in scans} <= {"Index Scan", "Index Only Scan"}, fields
        assert not [node for node in nodes if node.get("Rows Removed by Filter")], fields
        assert "code" in fields or "Sort" not in {node["Node Type"] for node in nodes}, fields
        # One for each probe, and those with a code are looked up before.
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


@contextmanager
def _explained(session: Session) -> Iterator[list[dict[str, Any]]]:
    plans: list[dict[str, Any]] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
        plans.extend(cursor.fetchone()[0])

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    try:
        yield plans
    finally:
        event.remove(connection, "before_cursor_execute", note)


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _blocks_fetched(session: Session) -> int:
    # Of the table and all its indexes, by this transaction.
    fetched = """
        SELECT sum(pg_stat_get_xact_blocks_fetched(indexrelid))
               + pg_stat_get_xact_blocks_fetched('vouchers'::regclass)
        FROM pg_index WHERE indrelid = 'vouchers'::regclass
    """
    return int(session.execute(text(fetched)).scalar_one())
