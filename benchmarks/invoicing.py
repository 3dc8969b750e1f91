"""Applying discounts to invoices: through the broker, and by the use case alone beside a single INSERT … SELECT."""

import time
from collections.abc import Iterator

from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import BATCH, per_second
from benchmarks.broker import Broker
from benchmarks.plan import Plan
from benchmarks.sampling import count_for_seconds, in_turn, with_counts
from benchmarks.servers import BASELINE, BenchmarkServers
from benchmarks.table_line import TableLine, at_least
from tasks.invoices.apply import apply_all
from worker.database import allow_long_statements, transaction

QUEUE = "billing"


class Granted:
    """Discounts of a fixed amount, each on a separate subscription, and none applied to an invoice yet."""

    def __init__(self, *, vouchers: int) -> None:
        """Add the vouchers of the discounts."""
        rows.add_vouchers(vouchers)
        self._vouchers = vouchers
        self._next = 0

    def take(self, how_many: int) -> range:
        """Grant more discounts, and return their numbers."""
        first, self._next = self._next, self._next + how_many
        rows.add_redemptions(first=first, how_many=how_many, vouchers=self._vouchers)
        return range(first, self._next)


def end_to_end(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare bulk messages with a transaction for each task."""
    with servers.database(), servers.workers(QUEUE, BASELINE):
        broker = Broker(servers.environment)
        granted = Granted(vouchers=plan.vouchers)

        def in_bulk(count: int) -> float:
            bodies = rows.bulks([rows.invoice(each) for each in granted.take(count)], key="invoices", size=BATCH)
            return broker.rate("billing.apply_many", bodies, queue=QUEUE) * count / len(bodies)

        def by_orm(count: int) -> float:
            bodies = [rows.invoice(each) for each in granted.take(count)]
            return broker.rate("baseline.apply", bodies, queue=BASELINE)

        measures = with_counts({"bulk": in_bulk}, seconds=plan.seconds, first=2 * BATCH, most=50_000)
        measures |= with_counts({"orm": by_orm}, seconds=plan.seconds, first=50, most=5_000)
        rows.analyze()
        samples = in_turn(measures, repetitions=plan.repetitions)
    yield TableLine(
        measure="billing.apply_many, end to end",
        baseline="one ORM transaction per task",
        values=samples["bulk"],
        baselines=samples["orm"],
        goal=at_least(30),
    )


def alone(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare the use case alone with a single INSERT … SELECT of the same rows."""
    with servers.database():
        granted = Granted(vouchers=plan.vouchers)
        count = count_for_seconds(
            lambda first: apply(granted.take(first)), first=2 * BATCH, seconds=plan.seconds, most=20_000
        )
        count = count // BATCH * BATCH
        rows.analyze()
        measures = {"apply": lambda: apply(granted.take(count)), "insert": lambda: insert(granted.take(count))}
        samples = in_turn(measures, repetitions=plan.repetitions)
    yield TableLine(
        measure="invoices applied, apply_all alone",
        baseline="one INSERT … SELECT of the same rows",
        values=samples["apply"],
        baselines=samples["insert"],
        goal=at_least(0.2),
    )


def apply(numbers: range) -> float:
    """Discount an invoice for each number, and return the invoices per second."""
    return per_second(apply_all, rows.parsed_invoices([rows.invoice(each) for each in numbers]))


def insert(numbers: range) -> float:
    """Write the same rows by SQL in a single transaction, without a decision, and return the invoices per second."""
    values = {"project": rows.PROJECT, "first": numbers.start, "last": numbers.stop - 1}
    with transaction() as session:
        allow_long_statements(session.connection())
        for setting in ("enable_seqscan = on", "enable_hashjoin = on"):
            session.execute(text(f"SET LOCAL {setting}"))
        started = time.perf_counter()
        session.execute(text(_INVOICES), values)
        session.execute(text(_ENTRIES), values)
        session.execute(text(_ADVANCE), values)
        session.execute(text(_GIVEN), values)
        session.commit()
        return len(numbers) / (time.perf_counter() - started)


_OF_DISCOUNTS = f"""
    FROM generate_series(CAST(:first AS bigint), :last) AS number
    JOIN discounts d ON d.project = :project AND d.id = {rows.REDEMPTION_ID}
"""
_INVOICES = f"""
    INSERT INTO invoice_discounts (project, invoice, fingerprint, subscription, customer, answer, applied_at)
    SELECT :project, 'inv_' || number, decode(md5('body'), 'hex'), d.subscription, d.customer,
           json_build_object(
               'object', 'invoiceDiscount', 'outcome', 'applied', 'reason', NULL, 'refusedLine', NULL,
               'project', :project,
               'invoice', 'inv_' || number, 'subscription', d.subscription, 'currency', 'USD',
               'subtotal', 8000, 'discountTotal', 999, 'total', 7001,
               'lines', json_build_array(
                   json_build_object('id', 'base', 'amount', 4300, 'discount', 537, 'total', 3763),
                   json_build_object('id', 'seats', 'amount', 3700, 'discount', 462, 'total', 3238)),
               'discounts', json_build_array(json_build_object(
                   'discount', d.id, 'voucher', d.voucher_id, 'amount', 999,
                   'lines', json_build_object('base', 537, 'seats', 462),
                   'cycle', 1, 'fullPriceFrom', '2027-04-30', 'debitBalance', NULL)),
               'credits', json_build_array(), 'skipped', json_build_array(), 'notices', json_build_array(),
               'appliedAt', now(),
               'reversed', NULL),
           now()
    {_OF_DISCOUNTS}
"""
_ENTRIES = f"""
    INSERT INTO usage_entries (project, discount_id, invoice, id, period_start, period_end, cycle_start, cycle_end,
                               currency, amount_minor, created_at)
    SELECT :project, d.id, 'inv_' || number, gen_random_uuid(), '2027-01-31', '2027-02-28', '2027-01-31', '2027-02-28',
           'USD', 999, now()
    {_OF_DISCOUNTS}
"""
_ADVANCE = f"""
    UPDATE discounts
    SET first_cycle_start = '2027-01-31', last_cycle_start = '2027-01-31', last_cycle_end = '2027-02-28',
        cycles = 1, ends_on = '2027-04-30', updated_at = now()
    FROM generate_series(CAST(:first AS bigint), :last) AS number
    WHERE discounts.project = :project AND discounts.id = {rows.REDEMPTION_ID}
"""  # noqa: S608 - made from a constant
_GIVEN = f"""
    INSERT INTO given_amounts (project, voucher_id, currency, part, amount_minor)
    SELECT :project, d.voucher_id, 'USD', 0, sum(999)
    {_OF_DISCOUNTS}
    GROUP BY d.voucher_id
    ON CONFLICT (project, voucher_id, currency, part)
    DO UPDATE SET amount_minor = given_amounts.amount_minor + excluded.amount_minor
"""
