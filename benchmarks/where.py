"""Where the time goes: what each process computes for a thousand requests, end to end, from a full queue.

`make bench-where` prints it. What is left of the wall clock is waiting: for the disk at COMMIT, for a lock, or for one
another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.broker import Broker
from benchmarks.line import how_many
from benchmarks.machine import calibrated
from benchmarks.stage import BASELINE, Stage, stage

VOUCHERS = 1_000
# Of single messages, to begin with.
FEW = 200
SECONDS = 4
COLUMNS = ("worker", "its children", "Postgres", "Valkey")
SERVERS = {"postgres": "Postgres", "valkey-server": "Valkey"}

Bodies = Callable[[int], Sequence[object]]


@dataclass(frozen=True, kw_only=True)
class Work:
    """This class will name a kind of message, make the bodies of so many requests, and say how few to begin with."""

    task: str
    worker: str
    bodies: Bodies
    first: int


def main() -> None:
    """This function will print the table."""
    table = Table("a thousand of", "wall clock", *COLUMNS, "of all cores", title=calibrated())
    with stage() as made:
        for work in works():
            wall, computed = profiled(made, work)
            share = sum(computed.values()) / wall / (psutil.cpu_count() or 1)
            table.add_row(work.task, *(f"{each:,.0f} ms" for each in (wall, *computed.values())), f"{share:.0%}")
        made.require_clean()
    table.caption = f"afterwards: {calibrated()}"
    Console(width=140).print(table)


def works() -> Iterator[Work]:
    """This function will yield what is looked at."""
    vouchers = [str(rows.voucher_id(number)) for number in range(VOUCHERS)]

    def single(count: int) -> Sequence[object]:
        return rows.redemptions(vouchers, how_many=count)

    def bulk(count: int) -> Sequence[object]:
        return rows.bulks(rows.redemptions(vouchers, how_many=count), key="requests", size=BATCH)

    invoiced = 0

    def invoices(count: int) -> Sequence[object]:
        nonlocal invoiced
        rows.add_redemptions(first=invoiced, how_many=count, vouchers=VOUCHERS)
        bodies = [rows.invoice(number) for number in range(invoiced, invoiced + count)]
        invoiced += count
        return rows.bulks(bodies, key="invoices", size=BATCH)

    yield Work(task="baseline.noop", worker=BASELINE, bodies=single, first=FEW)
    yield Work(task="redemptions.redeem", worker="redemptions", bodies=single, first=FEW)
    yield Work(task="redemptions.redeem_many", worker="redemptions", bodies=bulk, first=2 * BATCH)
    yield Work(task="billing.apply_many", worker="billing", bodies=invoices, first=2 * BATCH)


def profiled(made: Stage, work: Work) -> tuple[float, Mapping[str, float]]:
    """This function will return the wall clock and each process's time for a thousand requests, in milliseconds."""
    with made.database(), made.workers(work.worker) as (worker,):
        broker = Broker(made.environment)
        rows.add_vouchers(VOUCHERS)

        def rate(count: int) -> float:
            broker.stage(work.task, work.bodies(count), queue=worker.name)
            return count / broker.drain(worker.name)

        count = how_many(rate, first=work.first, seconds=SECONDS, most=20_000) // work.first * work.first
        broker.stage(work.task, work.bodies(count), queue=worker.name)
        before = processor_seconds(worker.pid)
        seconds = broker.drain(worker.name)
        after = processor_seconds(worker.pid)
    scale = 1_000 * 1_000 / count
    return seconds * scale, {name: (after[name] - before[name]) * scale for name in COLUMNS}


def processor_seconds(worker: int | None) -> dict[str, float]:
    """This function will return how long each kind of process has computed so far."""
    main_process = psutil.Process(worker)
    computed = dict.fromkeys(COLUMNS, 0.0)
    computed["worker"] = _own(main_process)
    computed["its children"] = sum(map(_own, main_process.children(recursive=True)))
    for process in psutil.Process().children(recursive=True):
        if (server := SERVERS.get(process.name())) is not None:
            computed[server] += _own(process)
    return computed


def _own(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
