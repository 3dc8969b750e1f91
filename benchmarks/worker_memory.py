"""A worker's memory after many messages: of the main process and its children, with shared pages counted once."""

import time
from collections.abc import Iterator

import psutil

from benchmarks import rows
from benchmarks.broker import Broker
from benchmarks.plan import Plan
from benchmarks.servers import BenchmarkServers
from benchmarks.table_line import TableLine, at_most
from scrip.stack.process import StackProcess

QUEUE = "redemptions"
# Messages in the queue at a time. More would fill the broker's memory.
AT_ONCE = 5_000
MEBIBYTE = 2**20


def memory(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Redeem single messages, and compare the worker's memory after the first and after the last of them."""
    with servers.database(), servers.workers(QUEUE) as (worker,):
        vouchers = rows.add_vouchers(plan.vouchers)
        broker = Broker(servers.environment)
        done = _redeem(broker, vouchers, plan.memory_messages_first)
        first, count_first = mebibytes(worker), done
        deadline = time.monotonic() + plan.memory_seconds_max
        while done < plan.memory_messages and time.monotonic() < deadline:
            done += _redeem(broker, vouchers, min(AT_ONCE, plan.memory_messages - done))
        last = mebibytes(worker)
    yield TableLine(
        measure=f"a worker's memory after {done:,} messages",
        baseline=f"after {count_first:,}",
        values=[last],
        baselines=[first],
        goal=at_most(1.1),
        unit="MiB",
        note="" if done == plan.memory_messages else f"{plan.memory_messages:,} would have taken too long",
    )


def _redeem(broker: Broker, vouchers: list[str], how_many: int) -> int:
    for start in range(0, how_many, AT_ONCE):
        count = min(AT_ONCE, how_many - start)
        broker.rate("redemptions.redeem", rows.redemptions(vouchers, how_many=count), queue=QUEUE)
    return how_many


def mebibytes(worker: StackProcess) -> float:
    """Return the memory of the worker's processes in MiB. A page shared by several counts once in all."""
    main = psutil.Process(worker.pid)
    return sum(each.memory_full_info().pss for each in [main, *main.children(recursive=True)]) / MEBIBYTE
