"""Decide beside holds cheaply: one statement if nothing is held, and as many for any number of requests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event, text

from tasks.redemptions.messages import Reserve
from tasks.redemptions.reserve import reserve_all
from tests.support.database_between_tests import vacuum_database
from tests.support.holds import confirm, lapse, release, reserve, stored, validate
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.statements import SCANS, analyze, counted, explained
from tests.support.tasks import task_named
from worker.database import engine, transaction

pytestmark = pytest.mark.usefixtures("database")


def reserve_many(requests: list[dict]) -> list[dict]:
    """Reserve in a batch."""
    with transaction() as session:
        return reserve_all(session, [Reserve.model_validate(each) for each in requests])


def test_if_nothing_is_held_one_statement_is_about_holds():
    """The voucher is redeemed by id, while another voucher is held. What is held on the subscription is read always."""
    reserve(voucher=create_voucher(restrictions={"maximumRedemptions": 1})["id"])
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 5})
    for named in ({"voucher": voucher["id"]}, {"code": "SUMMER"}):
        with counted() as statements:
            redeem(**named)
        assert len([each for each in statements if "holds" in each]) == 1


@pytest.mark.parametrize("decide", ["redeem", "reserve"])
def test_deciding_300_requests_takes_as_many_statements_as_two(decide):
    """Their vouchers and codes are held. Requests are accepted and refused, and holds are replaced or have lapsed."""
    for index in range(6):
        voucher = create_voucher(code=f"CODE-{index}", restrictions={"maximumRedemptions": 40})
        add_codes(voucher, {"code": f"ONE-{index}", "maximumRedemptions": 20})
        for customer in ("cus_1", "cus_2"):
            reserve(code=f"ONE-{index}", customer=customer, subscription=f"sub_{customer}_{index}")
            lapse()
            reserve(code=f"ONE-{index}", customer=customer, subscription=f"sub_{customer}_{index}")

    def run(requests: list[dict]) -> list[dict]:
        if decide == "reserve":
            return reserve_many(requests)
        items: list[dict] = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
        return items

    with counted() as one:
        run([redemption(code="ONE-5", customer="cus_1", subscription="sub_cus_1_5"), redemption(code="UNKNOWN")])
    again = [
        redemption(code=f"ONE-{index}", customer=customer, subscription=f"sub_{customer}_{index}")
        for index in range(1, 6)
        for customer in ("cus_1", "cus_2")
    ]
    with counted() as many:
        items = run(again + [redemption(code=f"ONE-{index % 7}") for index in range(300)])
    assert {item["reason"] for item in items} >= {None, "voucher_not_found"}
    # Refusals look for other discounts of the customers, all in one statement.
    others = [each for each in many if each.rstrip().endswith("AS other")]
    assert len(others) == (decide == "redeem")
    assert [each for each in many if each not in others] == one
    assert len(one) < 24


def test_redeeming_300_holds_takes_as_many_statements_as_one():
    """Under their request ids, of several vouchers and codes. Each hold is confirmed."""
    bodies: list[dict] = []
    for index in range(6):
        voucher = create_voucher(code=f"CODE-{index}")
        add_codes(voucher, {"code": f"ONE-{index}", "maximumRedemptions": 60})
        bodies += [redemption(code=f"ONE-{index}") for _ in range(50)]
    bodies.append(redemption(code="ONE-0"))
    reserve_many(bodies)
    with counted() as one:
        task_named("redemptions.redeem_many")(request={"requests": bodies[-1:]})
    with counted() as many:
        items = task_named("redemptions.redeem_many")(request={"requests": bodies[:-1]})["items"]
    assert {item["reason"] for item in items} == {None}
    assert set(stored()) == {"confirmed"}
    assert many == one
    assert len(one) < 22


@pytest.mark.slow
@pytest.mark.parametrize("known", ["nothing", "everything", "the earlier rows"])
def test_no_statement_about_holds_reads_a_table_whatever_the_statistics_say(known):
    """Reserving, confirming, releasing, validating, redeeming beside holds, and sweeping."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 5_000})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 4_000})
    reserve_many([redemption(code="ONE") for _ in range(20)])
    if known == "the earlier rows":
        analyze()
    reserve_many([redemption(code="ONE") for _ in range(700)])
    lapse()
    reserve_many([redemption(code="ONE") for _ in range(700)])
    if known == "everything":
        analyze()
    with explained() as plans:
        held = [reserve(code="ONE") for _ in range(3)]
        body = redemption(code="ONE")
        task_named("redemptions.reserve")(request=body)
        task_named("redemptions.redeem")(request=body)
        confirm(held[0])
        release(held[1])
        validate(code="ONE")
        redeem(code="ONE")
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 720
    assert len(plans) > 60
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


@pytest.mark.parametrize("known", ["nothing", "everything", "the earlier rows"])
def test_a_decision_reads_only_the_holds_that_concern_it(known):
    """A decision reads the holds of the customer and of the subscription and the lapsed holds, not 1,000 others."""
    vacuum_database()
    voucher = create_voucher(restrictions={"maximumRedemptions": 5_000, "maximumRedemptionsPerCustomer": 3})["id"]
    reserve_many([redemption(voucher=voucher) for _ in range(30)])
    if known == "the earlier rows":
        analyze()
    reserve_many([redemption(voucher=voucher) for _ in range(1_000)])
    if known == "everything":
        analyze()
    with held_rows_read() as read:
        own = [reserve(voucher=voucher, customer="cus_1") for _ in range(4)]
        redeem(voucher=voucher, customer="cus_1")
        confirm(own[3])
        release(own[2])
        validate(voucher=voucher)
    assert len(read) > 10
    assert max(read) <= 6


@contextmanager
def held_rows_read() -> Iterator[list[int]]:
    """Note for each query of holds how many of their rows it reads, including rows that a filter drops."""
    read: list[int] = []

    def note(_connection, cursor, statement, parameters, *_) -> None:
        if "holds" in statement and statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            read.append(scanned(cursor.fetchone()[0][0]["Plan"]))

    event.listen(engine(), "before_cursor_execute", note)
    try:
        yield read
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def scanned(plan: dict) -> int:
    """Return the number of rows of holds that a plan reads."""
    below = sum(scanned(each) for each in plan.get("Plans", []))
    if plan.get("Relation Name") != "holds":
        return below
    return below + int((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])


def test_no_index_mentions_the_count_of_holds():
    """So counting a hold is a heap-only update of the voucher."""
    with transaction() as session:
        definitions = session.scalars(text("SELECT indexdef FROM pg_indexes WHERE tablename = 'vouchers'")).all()
    assert [each for each in definitions if "held" in each] == []
