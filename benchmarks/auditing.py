"""What the audit of changes costs redeeming: `make bench-audit`.

Two processes redeem in batches of 500, in turns: without an audit, and beside an audit of changes, which has to look at
what the turn without has redeemed. The audit begins before its turn, and lasts longer. After the turn, an audit without
rests catches up. A turn beside an audit is compared with the mean of the turns before and after.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Annotated, Any

import typer
from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.servers import benchmark_servers
from models.monitoring.recorded_audit import AuditKind
from tasks.audit import run
from tasks.audit.run import record_audit
from tasks.redemptions.redeem import redeem_all
from worker.database import allow_long_statements, run_in_transaction, transaction

VOUCHERS = 10_000
STORED = 100_000
REDEEMING = 2
LOOKS_EVERY_SECONDS = 0.05
SPAWN = get_context("spawn")
# They are no changes.
_STORE_LONG_AGO = text("""
    UPDATE redemptions SET decided_at = decided_at - interval '1 week', effective_at = effective_at - interval '1 week'
""")
_END_OTHER_SESSIONS = text("""
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
""")
_RUNS = text("""
    SELECT count(*) AS begun, count(ended_at) AS ended, coalesce(sum(violations), 0) AS violations FROM audits
""")


def redeem_for(seconds: float, begin: Any, results: Any, number: int) -> None:
    """Redeem vouchers of this process's own for that time, from the moment that all processes are ready."""
    vouchers = [str(rows.voucher_id(each)) for each in range(number, VOUCHERS, REDEEMING)]
    begin.wait()
    deadline, batches = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        requests = rows.parsed_redemptions(rows.redemptions(vouchers, how_many=BATCH))
        run_in_transaction(partial(redeem_all, requests=requests))
        batches += 1
    results.put(batches)


@contextmanager
def beside_an_audit() -> Iterator[None]:
    """Audit what has changed. It would go on for minutes, so it is interrupted, and an audit without rests follows."""
    begun = _audits().begun
    auditor = SPAWN.Process(target=record_audit, args=(AuditKind.CHANGES,), daemon=True)
    auditor.start()
    while _audits().begun == begun:
        time.sleep(LOOKS_EVERY_SECONDS)
    try:
        yield
    finally:
        was_interrupted = auditor.is_alive()
        auditor.kill()
        auditor.join()
        with transaction() as session:
            session.execute(_END_OTHER_SESSIONS)
    if not was_interrupted:
        raise SystemExit("the audit ended before the turn: redeem more, or for a shorter time")
    catch_up()


def catch_up() -> None:
    """Audit what has changed, without rests."""
    run.RESTING_SECONDS_MAX = 0
    record_audit(AuditKind.CHANGES)


def _audits() -> Any:
    with transaction() as session:
        return session.execute(_RUNS).one()


def rate(seconds: float) -> float:
    """Return how many redemptions a second all processes make together."""
    results, begin = SPAWN.Queue(), SPAWN.Barrier(REDEEMING)
    processes = [
        SPAWN.Process(target=redeem_for, args=(seconds, begin, results, number)) for number in range(REDEEMING)
    ]
    for each in processes:
        each.start()
    batches = sum(results.get() for _ in processes)
    for each in processes:
        each.join()
    return float(batches * BATCH / seconds)


def take_turns(turns: int, seconds: float) -> list[tuple[float, float]]:
    """Print and return the rate of each turn beside an audit, and the mean rate of the turns before and after."""
    taken = []
    before = rate(seconds)
    for turn in range(turns):
        with beside_an_audit():
            beside = rate(seconds)
        after = rate(seconds)
        taken.append((beside, (before + after) / 2))
        before = after
        print(table_row(str(turn + 1), *taken[-1], ratio=taken[-1][0] / taken[-1][1]), flush=True)
    return taken


def table_row(name: str, beside: float, alone: float, *, ratio: float) -> str:
    """Return a row of the table."""
    return f"| {name} | {beside:,.0f}/s | {alone:,.0f}/s | {ratio:.3f} |"


def measure(
    turns: Annotated[int, typer.Option(help="Turns beside an audit, between turns without.")] = 6,
    seconds: Annotated[float, typer.Option(help="The length of a turn.")] = 30,
) -> None:
    """Measure, and print a row for each turn and the medians."""
    settings = {"max_wal_size": "8GB", "checkpoint_timeout": "30min"}
    with benchmark_servers(postgres=settings) as servers, servers.database():
        rows.add_vouchers(VOUCHERS)
        rows.add_redemptions(first=0, how_many=STORED, vouchers=VOUCHERS)
        with transaction() as session:
            allow_long_statements(session.connection())
            # The triggers would refuse it.
            session.execute(text(rows.UNCHECKED))
            session.execute(_STORE_LONG_AGO)
        rows.analyze()
        servers.checkpoint()
        print("| turn | beside audits | without | ratio |\n|---|---|---|---|")
        taken = take_turns(turns, seconds)
        beside, alone = (median(each) for each in zip(*taken, strict=True))
        print(table_row("median", beside, alone, ratio=median(one / other for one, other in taken)))
        done = _audits()
        print(f"{done.begun} audits began, {done.ended} ended, {done.violations} violations")


if __name__ == "__main__":
    typer.run(measure)
