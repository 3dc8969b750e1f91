"""List usage cheaply: every page takes as many statements and as many blocks, whatever the size of the history."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from tests.support.administrator import administrators_engine
from tests.support.database_between_tests import vacuum_database
from tests.support.requests import create_voucher, record, redemption
from tests.support.statements import SCANS, counted, explained
from tests.support.tasks import task_named
from tests.usages.pages import listed
from worker.database import engine

pytestmark = pytest.mark.usefixtures("database")

# Two index look-ups for the customer, then four redemptions, four discounts and their entries: 30 blocks as measured. A
# condition without an index reads more than twice as many for a voucher with 3,000 redemptions.
BLOCKS_PER_CUSTOMER_MAX = 40


def test_a_page_takes_as_many_statements_as_any_other():
    """With a thousand customers, with a single customer, or without any."""
    voucher = create_voucher()["id"]
    task_named("redemptions.redeem_many")(request={"requests": [redemption(voucher=voucher) for _ in range(1000)]})
    with counted() as many:
        assert len(listed(voucher, limit=1000)) == 1000
    with counted() as one:
        listed(voucher, limit=1)
    with counted() as none:
        listed(create_voucher()["id"])
    creation = len(none) - len(one)
    assert many == one == none[creation:]
    assert len(one) < 10


@pytest.mark.parametrize("is_known", [False, True])
def test_a_page_uses_indexes_only_and_its_cost_does_not_grow(is_known):
    """Whatever the statistics say, the last page reads as many blocks as the first, also with long histories."""
    vacuum_database()
    voucher = create_voucher()["id"]
    for part in range(3):
        requests = [redemption(voucher=voucher, customer=f"cus_{part}-{number // 4:04}") for number in range(1000)]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    if is_known:
        with administrators_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    everybody = listed(voucher, limit=1000)
    assert len(everybody) == 750
    with explained() as plans:
        listed(voucher, limit=20, startingAfter=everybody[300]["id"])
        listed(voucher, customer="cus_1-0100")
        record(voucher=voucher)
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
    with read_blocks() as first:
        listed(voucher, limit=20)
    with read_blocks() as last:
        assert len(listed(voucher, limit=20, startingAfter=everybody[-21]["id"])) == 20
    assert sum(first) < 20 * BLOCKS_PER_CUSTOMER_MAX
    assert sum(last) < 1.2 * sum(first) + 20


@contextmanager
def read_blocks() -> Iterator[list[int]]:
    """Note the number of blocks that each statement reads, from the cache or not."""
    blocks: list[int] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", parameters)
            plan = cursor.fetchone()[0][0]["Plan"]
            blocks.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield blocks
    finally:
        event.remove(engine(), "before_cursor_execute", note)
