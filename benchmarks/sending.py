"""Sending itself: many messages in one round trip, beside one round trip for each."""

import time
from collections.abc import Iterator

from celery import Celery

from benchmarks import rows
from benchmarks.line import Line, in_turn
from benchmarks.plan import Plan
from benchmarks.stage import Stage
from worker.broker.publishing import Outgoing, send_all

TASK, QUEUE = "redemptions.redeem", "nobody-reads-it"
# What send_task does in about a second.
RATE = 1_000


def many_at_once(stage: Stage, plan: Plan) -> Iterator[Line]:
    """This function will compare our sender of many messages with send_task."""
    with stage.database(), Celery("sender", broker=stage.environment["REDIS_URL"], set_as_current=False) as app:
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
    yield Line(
        measure="messages sent by worker/publishing.py",
        baseline="send_task",
        values=samples["many"],
        baselines=samples["one"],
    )
