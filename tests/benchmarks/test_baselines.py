"""The baselines do the same work as Scrip: the same answers, the same rows, no violation in the audit."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from benchmarks import batches, invoicing, orm, pgbench, redeeming_alone, rows
from tasks.invoices.messages import Apply
from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tests.support.administrator import administrators_url
from tests.support.environment import changed_environment
from tests.support.requests import create_voucher
from worker.database import run_in_transaction, transaction

VOUCHERS = 7
# Columns without instants and random values.
ROWS = {
    "invoices": "SELECT project, subscription, customer, answer ->> 'discountTotal' FROM invoice_discounts",
    "entries": "SELECT project, cycle_start, cycle_end, currency, amount_minor FROM usage_entries",
    "periods": "SELECT period_start, period_end FROM usage_entries",
    "discounts": """
        SELECT first_cycle_start, last_cycle_start, last_cycle_end, cycles, ends_on, updated_at IS NULL
        FROM discounts
    """,
    "given": """
        SELECT project, currency, sum(amount_minor)::bigint AS amount FROM given_amounts
        GROUP BY project, voucher_id, currency
    """,
}
REDEEMED = (
    "SELECT project, redemption_number, reason FROM redemptions",
    "SELECT project, amounts_minor, recurrence, duration_in_months, starts_on, status FROM discounts",
    "SELECT project FROM subscriptions",
    "SELECT redemptions, retired_reason FROM vouchers WHERE redemptions > 0",
)

pytestmark = pytest.mark.usefixtures("administrators_database")


@pytest.fixture
def administrators_database(database: dict[str, str]) -> Iterator[None]:
    """Let the benchmarks add rows as they do on servers of their own, without triggers and as the superuser."""
    with changed_environment(DATABASE_URL=administrators_url(database["DATABASE_URL"])):
        yield


def found(query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, sorted."""
    with transaction() as session:
        return sorted(map(tuple, session.execute(text(query))), key=repr)


def redeem_by_orm(body: rows.Body) -> rows.Body:
    """Redeem as the baseline's task does."""
    with transaction() as session:
        return orm.redeem(session, body)


def apply_by_orm(body: rows.Body) -> rows.Body:
    """Discount an invoice as the baseline's task does."""
    with transaction() as session:
        return orm.apply(session, body)


def test_the_orm_redeems_and_numbers_as_scrip_does() -> None:
    """Both redeem the same voucher in turn. The numbers have no gap, and a repeated request gets its first answer."""
    (voucher,) = rows.add_vouchers(1)
    bodies = rows.redemptions([voucher], how_many=4)
    first, third = (redeem_by_orm(body) for body in bodies[:2])
    (ours,) = run_in_transaction(lambda session: redeem_all(session, [Redeem.model_validate(bodies[2])]))
    last = redeem_by_orm(bodies[3])
    assert [each["redemptionNumber"] for each in (first, third, ours, last)] == [1, 2, 3, 4]
    assert redeem_by_orm(bodies[0]) == first
    assert found("SELECT count(*) FROM redemptions") == [(4,)]


@pytest.mark.parametrize(
    ("restrictions", "reason"),
    [
        pytest.param({"maximumRedemptions": 1}, "voucher_retired", id="full"),
        pytest.param({"maximumRedemptionsPerCustomer": 1}, "customer_limit_reached", id="by the customer"),
        pytest.param({}, "already_applied", id="running"),
    ],
)
def test_the_orm_keeps_the_limits(restrictions: dict[str, int], reason: str) -> None:
    """The second of two requests of a customer for a subscription is refused."""
    voucher = create_voucher(project=rows.PROJECT, restrictions=restrictions)["id"]
    identity = found("SELECT id FROM vouchers")[0][0]
    assert voucher
    bodies = [rows.redemption(voucher=str(identity)) | {"customer": "cus_1", "subscription": "sub_1"} for _ in range(2)]
    assert [redeem_by_orm(body)["reason"] for body in bodies] == [None, reason]


def test_the_orm_takes_the_same_off_an_invoice() -> None:
    """The rows are the same too, and a repeated invoice gets its first answer."""
    rows.add_vouchers(VOUCHERS)
    rows.add_redemptions(first=0, how_many=2, vouchers=VOUCHERS)
    invoicing.apply(range(1))
    answer = apply_by_orm(rows.invoice(1))
    assert (answer["discountTotal"], answer["total"]) == (999, 7001)
    assert apply_by_orm(rows.invoice(1)) == answer
    for name in ("entries", "discounts", "given"):
        ours, theirs = found(ROWS[name])
        assert ours == theirs


def test_one_insert_writes_the_same_rows_as_the_use_case() -> None:
    """The rows in all three tables are compared, for discounts without an invoice so far."""
    rows.add_vouchers(VOUCHERS)
    rows.add_redemptions(first=0, how_many=40, vouchers=VOUCHERS)
    invoicing.apply(range(20))
    ours = {name: found(query) for name, query in ROWS.items() if name in {"invoices", "entries"}}
    given = sum(row[2] for row in found(ROWS["given"]))
    invoicing.insert(range(20, 40))
    both = {name: found(query) for name, query in ROWS.items()}
    assert len(both["invoices"]) == 2 * len(ours["invoices"]) == 40
    assert both["entries"] == sorted(2 * ours["entries"], key=repr)
    assert len(set(both["discounts"])) == 1
    assert sum(row[2] for row in both["given"]) == 2 * given
    keys = "SELECT DISTINCT array(SELECT json_object_keys(answer)) FROM invoice_discounts"
    assert len(found(keys)) == 1


def test_rows_that_were_added_by_sql_can_be_redeemed_further() -> None:
    """They are added in two calls, over the vouchers in turn. Scrip continues with the next number."""
    vouchers = rows.add_vouchers(VOUCHERS)
    rows.add_redemptions(first=0, how_many=10, vouchers=VOUCHERS)
    rows.add_redemptions(first=10, how_many=11, vouchers=VOUCHERS)
    assert found("SELECT redemptions FROM vouchers") == [(3,)] * VOUCHERS
    batch = rows.parsed_redemptions([rows.redemption(voucher=each) for each in vouchers])
    answers = run_in_transaction(lambda session: redeem_all(session, batch))
    assert {each["redemptionNumber"] for each in answers} == {4}


def test_bare_sql_writes_as_many_rows_as_the_use_case() -> None:
    """Numbers and terms are the same in all four tables, on other vouchers. The last batch is smaller."""
    vouchers = rows.add_vouchers(2 * VOUCHERS)
    bare_sql = redeeming_alone.BareSql(vouchers=VOUCHERS)
    assert min(bare_sql.write(batches.BATCH + 100), bare_sql.write(400)) > 0
    bare = [found(query) for query in REDEEMED]
    assert redeeming_alone.redeem(vouchers[VOUCHERS:], 2 * batches.BATCH) > 0
    assert [found(query) for query in REDEEMED] == [sorted(2 * each, key=repr) for each in bare]
    assert list(map(len, bare)) == [1000, 1000, 1000, VOUCHERS]


@pytest.mark.parametrize("vouchers", [1, VOUCHERS])
def test_pgbench_redeems(vouchers: int, tmp_path: Path) -> None:
    """Eight clients redeem at once, and the rows pass the audit."""
    rows.add_vouchers(VOUCHERS)
    assert pgbench.redeem_rate(tmp_path, vouchers=vouchers, seconds=1) > 0
    ((redeemed, used),) = found("SELECT count(*), count(DISTINCT voucher_id) FROM redemptions WHERE reason IS NULL")
    # The number is drawn anew in each transaction.
    assert f"random(0, {vouchers - 1})" in (tmp_path / "redeem.sql").read_text()
    # The request that was recorded is counted too.
    assert redeemed > 1
    assert used <= vouchers
    assert found("SELECT sum(redemptions) FROM vouchers") == [(redeemed,)]


def test_pgbench_sends_every_statement_that_scrip_sends(tmp_path: Path) -> None:
    """All statements are in a single transaction, with generated values in place of the recorded ones."""
    rows.add_vouchers(1)
    with pgbench.recorded() as statements:
        batch = rows.parsed_redemptions([rows.redemption(voucher=str(rows.voucher_id(0)))])
        run_in_transaction(lambda session: redeem_all(session, batch))
    script = pgbench.redeem_script(vouchers=1)
    (tmp_path / "script.sql").write_text(script)
    assert len([each for each in script.splitlines() if not each.startswith("\\")]) == len(statements) + 2
    assert str(rows.voucher_id(0)) not in script


def test_bodies_are_requests_of_the_contract() -> None:
    """The bodies have new customers over the vouchers in turn, and an invoice fits a redemption added by SQL."""
    bodies = rows.redemptions(["a", "b", "c"], how_many=6)
    assert sorted(body["voucher"] for body in bodies) == list("aabbcc")
    assert len({body["requestId"] for body in bodies}) == 6
    assert Apply.model_validate(rows.invoice(3)).subscription == "sub_3"
    assert rows.bulks(bodies, key="requests", size=4) == [{"requests": bodies[:4]}, {"requests": bodies[4:]}]
