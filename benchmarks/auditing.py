"""What the audit of changes costs redeeming: `make bench-audit`.

Two processes redeem in batches of 500, in turns: beside audits of changes, of which one begins as soon as the last has
ended, and without. In production an audit of changes begins every five minutes, so it may cost less, but never more.
A turn is shorter than an audit of what the turns before it have redeemed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
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
from tasks.audit.run import record_audit
from tasks.redemptions.redeem import redeem_all
from worker.database import allow_long_statements, run_in_transaction, transaction

VOUCHERS = 10_000
STORED = 100_000
REDEEMING = 2
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


def audit_for_ever() -> None:
    """Audit what changed, again and again."""
    while True:
        record_audit(AuditKind.CHANGES)


@contextmanager
def beside_audits() -> Iterator[None]:
    """Audit what changed meanwhile. An audit would go on for minutes, so it is interrupted."""
    auditor = SPAWN.Process(target=audit_for_ever, daemon=True)
    auditor.start()
    try:
        yield
    finally:
        auditor.kill()
        auditor.join()
        with transaction() as session:
            session.execute(_END_OTHER_SESSIONS)


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
    """Print and return the rates of each turn, beside audits and without. Every other turn begins without."""
    taken = []
    for turn in range(turns):
        rates = dict[bool, float]()
        for with_audits in (turn % 2 == 0, turn % 2 == 1):
            with beside_audits() if with_audits else nullcontext():
                rates[with_audits] = rate(seconds)
        taken.append((rates[True], rates[False]))
        print(table_row(str(turn + 1), *taken[-1], ratio=rates[True] / rates[False]), flush=True)
    return taken


def table_row(name: str, beside: float, alone: float, *, ratio: float) -> str:
    """Return a row of the table."""
    return f"| {name} | {beside:,.0f}/s | {alone:,.0f}/s | {ratio:.3f} |"


def run(
    turns: Annotated[int, typer.Option(help="Turns beside audits, and as many without.")] = 6,
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
        # The first audit has something to do too.
        rate(seconds)
        print("| turn | beside audits | without | ratio |\n|---|---|---|---|")
        taken = take_turns(turns, seconds)
        beside, alone = (median(each) for each in zip(*taken, strict=True))
        print(table_row("median", beside, alone, ratio=median(one / other for one, other in taken)))
        with transaction() as session:
            done = session.execute(_RUNS).one()
        print(f"{done.begun} audits began, {done.ended} ended, {done.violations} violations")


if __name__ == "__main__":
    typer.run(run)
