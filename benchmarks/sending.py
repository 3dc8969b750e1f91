"""Sending: many messages in one round trip, beside a round trip for each."""

import time
from collections.abc import Iterator

from celery import Celery

from benchmarks import rows
from benchmarks.plan import Plan
from benchmarks.sampling import in_turn
from benchmarks.servers import BenchmarkServers
from benchmarks.table_line import TableLine
from worker.broker.bulk_publishing import Outgoing, send_all

TASK, QUEUE = "redemptions.redeem", "nobody-reads-it"
# Messages that send_task sends in about a second.
RATE = 1_000


def many_at_once(servers: BenchmarkServers, plan: Plan) -> Iterator[TableLine]:
    """Compare Scrip's sender of many messages with send_task."""
    with servers.database(), Celery("sender", broker=servers.environment["REDIS_URL"], set_as_current=False) as app:
        options = {"queue": QUEUE, "ignore_result": True}
        count = int(RATE * plan.seconds)

        def together() -> float:
            outgoing = [Outgoing(TASK, body, options) for body in rows.redemptions([""], how_many=count)]
            started = time.perf_counter()
            send_all(app, outgoing)
            return count / (time.perf_counter() - started)

        def one_by_one() -> float:
            bodies = rows.redemptions([""], how_many=count)
            started = time.perf_counter()
            for body in bodies:
                app.send_task(TASK, kwargs={"request": body}, **options)
            return count / (time.perf_counter() - started)

        samples = in_turn({"many": together, "one": one_by_one}, repetitions=plan.repetitions)
    yield TableLine(
        measure="messages sent by worker/broker/bulk_publishing.py",
        baseline="send_task",
        values=samples["many"],
        baselines=samples["one"],
    )
