"""What the audit of changes costs redeeming: `make bench-audit`.

Two processes redeem in batches of 500 without a break. An audit of what they have redeemed is let on and held in turn,
always between two pieces of its work. Each turn with the audit is compared with the turn without that follows or, in
every other pair, goes before. The table also has the audit's share of the processors' time.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from statistics import median
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from sqlalchemy import text

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.servers import benchmark_servers
from models.monitoring.recorded_audit import AuditKind
from tasks.audit.pace import Pace
from tasks.audit.run import RESTING_SECONDS_MAX, record_audit
from tasks.redemptions.redeem import redeem_all
from worker.database import allow_long_statements, run_in_transaction, transaction

VOUCHERS = 10_000
STORED = 100_000
# Enough for an audit that lasts longer than all turns.
FIRST_SECONDS = 40
REDEEMING = 2
LOOKS_EVERY_SECONDS = 0.01
SPAWN = get_context("spawn")
# They are no changes.
_STORE_LONG_AGO = text("""
    UPDATE redemptions SET decided_at = decided_at - interval '1 week', effective_at = effective_at - interval '1 week'
""")
_SESSIONS = text("SELECT pid FROM pg_stat_activity WHERE client_port = ANY(:ports)")
_RUNS = text("""
    SELECT count(*) AS begun, count(ended_at) AS ended, coalesce(sum(violations), 0) AS violations FROM audits
""")


class Turn(NamedTuple):
    """Redemptions a second beside an audit and without one, and the audit's share of the processors' time."""

    beside: float
    alone: float
    share: float

    @property
    def ratio(self) -> float:
        """How many redemptions are left of those without an audit."""
        return self.beside / self.alone


class AuditsProcesses:
    """The process of an audit and its sessions of Postgres."""

    def __init__(self, pid: int | None) -> None:
        """Find the processes, which have been computing already."""
        process = psutil.Process(pid)
        ports = [each.laddr.port for each in process.net_connections(kind="tcp")]
        with transaction() as session:
            sessions = session.scalars(_SESSIONS, {"ports": ports}).all()
        if not sessions:
            raise SystemExit("the audit has no session of Postgres")
        self._processes = [process, *map(psutil.Process, sessions)]

    def seconds(self) -> float:
        """Return the processor time of all of them until now, in seconds."""
        return sum(times.user + times.system for times in (each.cpu_times() for each in self._processes))


class Redeeming:
    """Processes that redeem without a break."""

    def __init__(self) -> None:
        """Start the processes."""
        self._batches = [SPAWN.Value("q", 0) for _ in range(REDEEMING)]
        self._is_over = SPAWN.Event()
        self._processes = [
            SPAWN.Process(target=redeem, args=(self._is_over, batches, number), daemon=True)
            for number, batches in enumerate(self._batches)
        ]
        for each in self._processes:
            each.start()

    def rate(self, seconds: float) -> float:
        """Return how many redemptions a second all processes make together in the next seconds."""
        began, before = time.monotonic(), self._redeemed()
        time.sleep(seconds)
        return float(self._redeemed() - before) / (time.monotonic() - began)

    def _redeemed(self) -> int:
        if not all(each.is_alive() for each in self._processes):
            raise SystemExit("a process that redeems has ended")
        return int(sum(each.value for each in self._batches)) * BATCH

    def end(self) -> None:
        """Let the processes end their batches."""
        self._is_over.set()
        for each in self._processes:
            each.join()


def redeem(is_over: Any, batches: Any, number: int) -> None:
    """Redeem vouchers of this process's own until it is over, and count the batches."""
    vouchers = [str(rows.voucher_id(each)) for each in range(number, VOUCHERS, REDEEMING)]
    while not is_over.is_set():
        requests = rows.parsed_redemptions(rows.redemptions(vouchers, how_many=BATCH))
        run_in_transaction(partial(redeem_all, requests=requests))
        batches.value += 1


class Auditing:
    """An audit of changes that can be held between two pieces of its work."""

    def __init__(self) -> None:
        """Start the audit, and hold it at its first rest."""
        self._may_work, self._is_held = SPAWN.Event(), SPAWN.Event()
        self._process = SPAWN.Process(target=audit, args=(self._may_work, self._is_held), daemon=True)
        self._process.start()
        self.hold()
        self._processes = AuditsProcesses(self._process.pid)

    def hold(self) -> None:
        """Let the audit end its piece of work, and none begin."""
        self._is_held.clear()
        self._may_work.clear()
        while not self._is_held.wait(LOOKS_EVERY_SECONDS):
            self._require_running()

    @contextmanager
    def going_on(self) -> Iterator[AuditsProcesses]:
        """Let the audit work and rest."""
        self._may_work.set()
        yield self._processes
        self.hold()

    def _require_running(self) -> None:
        if not self._process.is_alive():
            raise SystemExit("the audit ended before the turns: fewer or shorter turns are needed")

    def interrupt(self) -> None:
        """Kill the audit, which would go on for minutes."""
        self._process.kill()
        self._process.join()


def audit(may_work: Any, is_held: Any) -> None:
    """Audit what has changed. While the audit is held, no time of its rest goes by."""

    def rest(seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            if not may_work.is_set():
                is_held.set()
                held_at = time.monotonic()
                may_work.wait()
                until += time.monotonic() - held_at
            if time.monotonic() >= until:
                return
            time.sleep(LOOKS_EVERY_SECONDS)

    record_audit(AuditKind.CHANGES, pace=Pace(seconds_max=RESTING_SECONDS_MAX, sleep=rest))


def take_turns(turns: int, seconds: float) -> list[Turn]:
    """Print and return each turn with the audit, and the turn without next to it."""
    redeeming = Redeeming()
    redeeming.rate(FIRST_SECONDS)
    auditing = Auditing()
    taken = []
    for number in range(1, turns + 1):
        alone = redeeming.rate(seconds) if number % 2 else 0.0
        with auditing.going_on() as processes:
            began, computed = time.monotonic(), processes.seconds()
            beside = redeeming.rate(seconds)
            share = (processes.seconds() - computed) / (time.monotonic() - began) / (psutil.cpu_count() or 1)
        taken.append(Turn(beside, alone or redeeming.rate(seconds), share))
        print(table_row(str(number), taken[-1], ratio=taken[-1].ratio), flush=True)
    redeeming.end()
    auditing.interrupt()
    return taken


def table_row(name: str, turn: Turn, *, ratio: float) -> str:
    """Return a row of the table."""
    return f"| {name} | {turn.beside:,.0f}/s | {turn.alone:,.0f}/s | {ratio:.3f} | {turn.share:.1%} |"


def measure(
    turns: Annotated[int, typer.Option(help="Pairs of turns.")] = 30,
    seconds: Annotated[float, typer.Option(help="The length of a turn.")] = 10,
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
        print("| turn | beside audits | without | ratio | the audit's share |\n|---|---|---|---|---|")
        taken = take_turns(turns, seconds)
        medians = Turn(*(median(each) for each in zip(*taken, strict=True)))
        print(table_row("median", medians, ratio=median(each.ratio for each in taken)))
        record_audit(AuditKind.CHANGES, pace=Pace(seconds_max=0))
        with transaction() as session:
            done = session.execute(_RUNS).one()
        print(f"{done.begun} audits began, {done.ended} ended, {done.violations} violations")


if __name__ == "__main__":
    typer.run(measure)
