"""The latency of a message at half load: from sending a message until the effect is committed.

The load is half of the rate that Celery's no-op task sustains here, and the same for both. The effect of the no-op is
that it ran. Each answer holds the time of completion, after COMMIT. Writing the messages is not part of the measure:
they are written before, and sent as they are.
"""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import NamedTuple

from celery.states import SUCCESS

from benchmarks import rows
from benchmarks.broker import Broker
from benchmarks.plan import Plan
from benchmarks.sampling import MeasureFailed, count_for_seconds, in_turn
from benchmarks.servers import BASELINE, BenchmarkServers
from benchmarks.sweeping import p99_ms
from benchmarks.table_line import TableLine, at_most_more

QUEUE = "redemptions"
ANSWER = "celery-task-meta-{}"
# The share of the first messages, which connect and prepare statements.
WARM_UP = 0.1


def at_half_load(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare single messages with Celery's no-op at the same load."""
    with servers.database(), servers.workers(QUEUE, BASELINE):
        vouchers = rows.add_vouchers(plan.vouchers)
        broker = Broker(servers.environment)

        def noop_rate(count: int) -> float:
            return broker.rate("baseline.noop", rows.redemptions(vouchers, how_many=count), queue=BASELINE)

        enough = count_for_seconds(noop_rate, first=200, seconds=plan.seconds, most=5_000)
        load = median(noop_rate(enough) for _ in range(3)) / 2
        caller = Caller(broker, vouchers=vouchers, load=load, seconds=plan.half_load_seconds)
        measures = {
            "redeem": lambda: caller.p99_ms("redemptions.redeem", queue=QUEUE),
            "noop": lambda: caller.p99_ms("baseline.noop", queue=BASELINE),
        }
        samples = in_turn(measures, repetitions=min(3, plan.repetitions))
    yield TableLine(
        measure=f"send to committed at half load ({load:,.0f}/s), p99",
        baseline="Celery no-op, same load",
        values=samples["redeem"],
        baselines=samples["noop"],
        goal=at_most_more(25),
        unit="ms",
    )


class Sent(NamedTuple):
    """A message: the id, and the due time in seconds of the system's clock."""

    id: str
    due: float


class Caller:
    """Sends at a steady pace, no matter when the answers come."""

    def __init__(self, broker: Broker, *, vouchers: list[str], load: float, seconds: float) -> None:
        self._broker = broker
        self._vouchers = vouchers
        self._load = load
        self._count = max(20, int(load * seconds))

    def p99_ms(self, task: str, *, queue: str) -> float:
        """Send for a while and return the 99th percentile of the latencies in milliseconds."""
        requests = rows.redemptions(self._vouchers, how_many=self._count)
        ids = self._broker.stage(task, requests, queue=queue, wants_answers=True)
        messages = self._broker.take_staged(queue)
        sent = []
        due = time.time()
        for id_, message in zip(ids, messages, strict=True):
            time.sleep(max(0.0, due - time.time()))
            self._broker.send(message, queue=queue)
            # The latency counts from the due time, so a delayed sender does not shorten it.
            sent.append(Sent(id_, due))
            due += 1 / self._load
        self._broker.wait_until_done(queue)
        latencies = [at - each.due for each, at in zip(sent, times_done(sent, broker=self._broker), strict=True)]
        return p99_ms(latencies[int(len(latencies) * WARM_UP) :])


def times_done(sent: Sequence[Sent], *, broker: Broker) -> list[float]:
    """Return the time at which each task was done, from the answers, in seconds of the system's clock."""
    stored = [each for each in broker.redis.mget([ANSWER.format(each.id) for each in sent]) if each is not None]
    answers = [json.loads(each) for each in stored]
    if sum(each["status"] == SUCCESS for each in answers) < len(sent):
        raise MeasureFailed(f"of {len(sent)} messages, not every one was answered")
    return [datetime.fromisoformat(each["date_done"]).timestamp() for each in answers]
