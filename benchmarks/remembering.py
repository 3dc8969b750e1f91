"""What a worker's memory is after many messages: of its main process and its children, without what they share."""

import time
from collections.abc import Iterator

import psutil

from benchmarks import rows
from benchmarks.broker import Broker
from benchmarks.line import Line, at_most
from benchmarks.plan import Plan
from benchmarks.stage import Stage
from scrip.stack.process import StackProcess

QUEUE = "redemptions"
# So many wait at a time: the broker's memory is not what is measured.
AT_ONCE = 5_000
MEBIBYTE = 2**20


def memory(stage: Stage, plan: Plan) -> Iterator[Line]:
    """This function will redeem single messages, and look at the worker's memory after the first and the last."""
    with stage.database(), stage.workers(QUEUE) as (worker,):
        vouchers = rows.add_vouchers(plan.vouchers)
        broker = Broker(stage.environment)
        done = _redeem(broker, vouchers, plan.remembered_first)
        first, count_first = mebibytes(worker), done
        deadline = time.monotonic() + plan.remembered_seconds
        while done < plan.remembered and time.monotonic() < deadline:
            done += _redeem(broker, vouchers, min(AT_ONCE, plan.remembered - done))
        last = mebibytes(worker)
    yield Line(
        measure=f"a worker's memory after {done:,} messages",
        baseline=f"after {count_first:,}",
        values=[last],
        baselines=[first],
        goal=at_most(1.1),
        unit="MiB",
        note="" if done == plan.remembered else f"{plan.remembered:,} would have taken too long",
    )


def _redeem(broker: Broker, vouchers: list[str], how_many: int) -> int:
    for start in range(0, how_many, AT_ONCE):
        count = min(AT_ONCE, how_many - start)
        broker.rate("redemptions.redeem", rows.redemptions(vouchers, how_many=count), queue=QUEUE)
    return how_many


def mebibytes(worker: StackProcess) -> float:
    """This function will return what the worker's processes take; pages that several share count once in all."""
    main = psutil.Process(worker.pid)
    return sum(each.memory_full_info().pss for each in [main, *main.children(recursive=True)]) / MEBIBYTE
