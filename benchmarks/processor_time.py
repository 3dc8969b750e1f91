"""The processor time of each process for a thousand requests, end to end, from a full queue.

`make bench-where` prints the table. The rest of the wall clock is waiting: for the disk at COMMIT, for a lock, or for
another process.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import rows
from benchmarks.batches import BATCH
from benchmarks.broker import Broker
from benchmarks.machine import calibrated
from benchmarks.sampling import count_for_seconds
from benchmarks.servers import BASELINE, BenchmarkServers, benchmark_servers

VOUCHERS = 1_000
# Single messages to begin with.
FIRST_COUNT = 200
SECONDS = 4
COLUMNS = ("worker", "its children", "Postgres", "Valkey")
SERVERS = {"postgres": "Postgres", "valkey-server": "Valkey"}

Bodies = Callable[[int], Sequence[object]]


@dataclass(frozen=True, kw_only=True)
class MessageKind:
    """A kind of message: task, worker, bodies, and the number of requests to begin with."""

    task: str
    worker: str
    bodies: Bodies
    first: int


def main() -> None:
    """Print the table."""
    table = Table("a thousand of", "wall clock", *COLUMNS, "of all cores", title=calibrated())
    with benchmark_servers() as servers:
        for kind in message_kinds():
            wall, computed = profiled(servers, kind)
            share = sum(computed.values()) / wall / (psutil.cpu_count() or 1)
            table.add_row(kind.task, *(f"{each:,.0f} ms" for each in (wall, *computed.values())), f"{share:.0%}")
        servers.require_clean()
    table.caption = f"afterwards: {calibrated()}"
    Console(width=140).print(table)


def message_kinds() -> Iterator[MessageKind]:
    """Yield the kinds of messages."""
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

    yield MessageKind(task="baseline.noop", worker=BASELINE, bodies=single, first=FIRST_COUNT)
    yield MessageKind(task="redemptions.redeem", worker="redemptions", bodies=single, first=FIRST_COUNT)
    yield MessageKind(task="redemptions.redeem_many", worker="redemptions", bodies=bulk, first=2 * BATCH)
    yield MessageKind(task="billing.apply_many", worker="billing", bodies=invoices, first=2 * BATCH)


def profiled(servers: BenchmarkServers, kind: MessageKind) -> tuple[float, Mapping[str, float]]:
    """Return the wall clock and each process's time for a thousand requests, in milliseconds."""
    with servers.database(), servers.workers(kind.worker) as (worker,):
        broker = Broker(servers.environment)
        rows.add_vouchers(VOUCHERS)

        def rate(count: int) -> float:
            broker.stage(kind.task, kind.bodies(count), queue=worker.name)
            return count / broker.drain(worker.name)

        count = count_for_seconds(rate, first=kind.first, seconds=SECONDS, most=20_000) // kind.first * kind.first
        broker.stage(kind.task, kind.bodies(count), queue=worker.name)
        before = processor_seconds(worker.pid)
        seconds = broker.drain(worker.name)
        after = processor_seconds(worker.pid)
    scale = 1_000 * 1_000 / count
    return seconds * scale, {name: (after[name] - before[name]) * scale for name in COLUMNS}


def processor_seconds(worker: int | None) -> dict[str, float]:
    """Return the processor time of each kind of process so far, in seconds."""
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
