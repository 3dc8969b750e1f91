"""The latency of a message at half load: from sending a message until the answer arrives, after COMMIT.

The load is half of the rate that Celery's no-op task sustains here, and the same for both. Writing the messages is not
part of the measure: they are written before, and sent as they are.
"""

import time
from collections.abc import Iterator
from statistics import median

from benchmarks import rows
from benchmarks.answers import Answers
from benchmarks.broker import Broker
from benchmarks.plan import Plan
from benchmarks.sampling import MeasureFailed, count_for_seconds, in_turn
from benchmarks.servers import BASELINE, BenchmarkServers
from benchmarks.sweeping import p99_ms
from benchmarks.table_line import TableLine, at_most_more

QUEUE = "redemptions"
# An answer is stored before its message is acknowledged, and arrives in this time.
ARRIVAL_SECONDS_MAX = 2
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
        measure=f"send to answered at half load ({load:,.0f}/s), p99",
        baseline="Celery no-op, same load",
        values=samples["redeem"],
        baselines=samples["noop"],
        goal=at_most_more(25),
        unit="ms",
    )


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
        dues: list[float] = []
        with Answers(self._broker.url) as answers:
            answers.expect(ids)
            due = time.monotonic()
            for message in messages:
                time.sleep(max(0.0, due - time.monotonic()))
                self._broker.send(message, queue=queue)
                # The latency counts from the due time, so a delayed sender does not shorten it.
                dues.append(due)
                due += 1 / self._load
            self._broker.wait_until_done(queue)
            if missing := answers.wait(seconds_max=ARRIVAL_SECONDS_MAX):
                raise MeasureFailed(f"{len(missing)} of {len(ids)} messages were not answered")
        latencies = [answers.arrived[id_] - due for id_, due in zip(ids, dues, strict=True)]
        return p99_ms(latencies[int(len(latencies) * WARM_UP) :])
