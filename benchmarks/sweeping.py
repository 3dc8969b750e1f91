"""The sweep of a large table, beside a single UPDATE of the same rows, and the latency of redeeming meanwhile."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from statistics import quantiles
from threading import Event

from sqlalchemy import text

from benchmarks import rows
from benchmarks.plan import Plan
from benchmarks.sampling import MeasureFailed
from benchmarks.servers import EMPTY, BenchmarkServers
from benchmarks.table_line import TableLine, at_least, at_most
from models.base import read_clock
from models.sweeps.expiry import retire_expired_vouchers
from tasks.redemptions.redeem import redeem_all
from tasks.sweeps.expiry import sweep_all
from worker.database import allow_long_statements, engine, run_in_transaction, transaction
from worker.settings import settings

FILLED = "scrip_filled"
# Redeeming during the sweep: the vouchers, the size of a batch, and the time between batches.
VOUCHERS = 500
BATCH = 10
PERIOD_SECONDS = 0.04
# The first batches prepare their statements.
WARM_UP = 10


def sweep(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Sweep copies of a filled database, by the use case and by a single UPDATE in turn."""
    fill(servers, plan)
    swept, updated = [], []
    for _ in range(plan.sweep_repetitions):
        with servers.database(template=FILLED):
            swept.append(_rate(_sweep, how_many=plan.expired_vouchers))
        with servers.database(template=FILLED):
            updated.append(_rate(_update, how_many=plan.expired_vouchers))
    yield TableLine(
        measure=f"sweep of {plan.expired_vouchers:,} expired among {2 * plan.expired_vouchers:,}",
        baseline="one UPDATE of the same rows",
        values=swept,
        baselines=updated,
        goal=at_least(0.7),
    )
    vouchers = [str(rows.voucher_id(number)) for number in range(VOUCHERS)]
    pause = partial(time.sleep, plan.sweep_latency_seconds)
    quiet, disturbed = [], []
    for _ in range(plan.sweep_latency_repetitions):
        with servers.database(template=FILLED):
            # Without a checkpoint now, the measure would include the writes of copying the database.
            servers.checkpoint()
            # Read pages into memory and prepare statements before the measure.
            batch_latencies(vouchers, pause)
            quiet.append(p99_ms(batch_latencies(vouchers, pause)))
            disturbed.append(p99_ms(batch_latencies(vouchers, partial(_sweep_for, plan.sweep_latency_seconds))))
    servers.drop(FILLED)
    yield TableLine(
        measure=f"redeeming {BATCH} at a time during that sweep, p99",
        baseline="without a sweep",
        values=disturbed,
        baselines=quiet,
        goal=at_most(2),
        unit="ms",
    )


def fill(servers: BenchmarkServers, plan: Plan) -> None:
    """Create the database that is copied: every other voucher has expired.

    The vouchers expire in the order of their creation, as those of successive campaigns do.
    """
    servers.copy(EMPTY, to=FILLED)
    servers.use(FILLED)
    rows.add_vouchers(VOUCHERS)
    with rows.without_indexes("vouchers"):
        for start in range(0, 2 * plan.expired_vouchers, rows.INSERTED_AT_ONCE):
            last = min(start + rows.INSERTED_AT_ONCE, 2 * plan.expired_vouchers) - 1
            with transaction() as session:
                allow_long_statements(session.connection())
                values = {"project": rows.PROJECT, "swept": plan.expired_vouchers, "first": start, "last": last}
                session.execute(text(_ADD_DUE), values)
    rows.add_histories()
    rows.analyze()
    servers.use(EMPTY)


_ADD_DUE = """
    INSERT INTO vouchers (project, id, created_at, name, percentage_millionths, recurrence, expires_at, metadata)
    SELECT :project, uuidv7(), now(), 'Due', 100000, 'once',
           now() + (number / 2 - 10 * CAST(:swept AS bigint)) * interval '1 second'
                 * CASE number % 2 WHEN 0 THEN 1 ELSE -1 END, '{}'
    FROM generate_series(CAST(:first AS bigint), :last) AS number
"""


def _sweep() -> None:
    sweep_all(batch_size=settings().sweep_batch_size)


def _sweep_for(seconds: float) -> None:
    """Sweep as the use case does, but only for that time."""
    batch_size = settings().sweep_batch_size
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with transaction() as session:
            count = retire_expired_vouchers(session, now=read_clock(session), batch_size=batch_size)
        if count < batch_size:
            raise MeasureFailed("nothing was left to sweep while redeeming was watched")


def _update() -> None:
    with transaction() as session:
        allow_long_statements(session.connection())
        session.execute(text("SET LOCAL enable_seqscan = on"))
        session.execute(
            text("""
                UPDATE vouchers SET retired_reason = 'expired', retired_at = expires_at
                WHERE retired_reason IS NULL AND expires_at <= now()
            """)
        )


def _rate(work: Callable[[], None], *, how_many: int) -> float:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    with engine().connect() as connection:
        connection.execute(text("SET enable_seqscan = on"))
        done = connection.execute(text("SELECT count(*) FROM vouchers WHERE retired_reason = 'expired'")).scalar_one()
    if done != how_many:
        raise MeasureFailed(f"{done:,} of {how_many:,} vouchers were retired")
    return how_many / seconds


def batch_latencies(vouchers: list[str], work: Callable[[], None]) -> list[float]:
    """Redeem at a steady pace during the work, and return the seconds of each batch.

    The time of a batch starts when the batch was due, so a slow batch counts for the batches that it delays too.
    """
    done = Event()

    def redeem() -> list[float]:
        seconds: list[float] = []
        due = time.perf_counter()
        while not done.is_set() or len(seconds) < 2 * WARM_UP:
            batch = rows.parsed_redemptions(rows.redemptions(vouchers, how_many=BATCH))
            time.sleep(max(0.0, due - time.perf_counter()))
            run_in_transaction(partial(redeem_all, requests=batch))
            seconds.append(time.perf_counter() - due)
            due += PERIOD_SECONDS
        return seconds[WARM_UP:]

    with ThreadPoolExecutor(1) as pool:
        redeeming = pool.submit(redeem)
        try:
            work()
        finally:
            done.set()
        return redeeming.result()


def p99_ms(seconds: list[float]) -> float:
    """Return the 99th percentile in milliseconds."""
    return quantiles(seconds, n=100, method="inclusive")[-1] * 1_000
