"""How long a message waits at half load: from when it was sent until its effect is committed.

The load is half of what Celery's task that does nothing sustains here, and the same for both. Its effect is that it
has run. Each wants its answer. Writing messages is not what is measured: they are written before, and sent as they are.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import Any, NamedTuple

from sqlalchemy import text

from benchmarks import rows
from benchmarks.broker import Broker
from benchmarks.line import Line, MeasureFailed, at_most_more, how_many, in_turn
from benchmarks.plan import Plan
from benchmarks.stage import BASELINE, Stage
from benchmarks.sweeping import p99_ms
from worker.db import transaction

QUEUE = "redemptions"
ANSWER = "celery-task-meta-{}"
# The first few connect and prepare.
WARM_UP = 0.1

_COMMITTED = text("""
    SELECT requests.id, CAST(extract(epoch FROM pg_xact_commit_timestamp(redemptions.xmin)) AS float)
    FROM unnest(CAST(:ids AS text[])) AS requests (id)
    JOIN redemptions ON redemptions.project = :project AND redemptions.request_id = requests.id
""")


def at_half_load(stage: Stage, plan: Plan) -> Iterator[Line]:
    """This function will compare single messages with Celery's no-op at the same load."""
    with stage.database(), stage.workers(QUEUE, BASELINE):
        vouchers = rows.add_vouchers(plan.vouchers)
        broker = Broker(stage.environment)

        def noop_rate(count: int) -> float:
            return broker.rate("baseline.noop", rows.redemptions(vouchers, how_many=count), queue=BASELINE)

        enough = how_many(noop_rate, first=200, seconds=plan.seconds, most=5_000)
        load = median(noop_rate(enough) for _ in range(3)) / 2
        caller = Caller(broker, vouchers=vouchers, load=load, seconds=plan.load_seconds)
        measures = {
            "redeem": lambda: caller.p99_ms("redemptions.redeem", queue=QUEUE, ended=committed),
            "noop": lambda: caller.p99_ms("baseline.noop", queue=BASELINE, ended=lambda sent: ran(sent, broker=broker)),
        }
        samples = in_turn(measures, repetitions=min(3, plan.repetitions))
    yield Line(
        measure=f"send to committed at half load ({load:,.0f}/s), p99",
        baseline="Celery no-op, same load",
        values=samples["redeem"],
        baselines=samples["noop"],
        goal=at_most_more(25),
        unit="ms",
    )


class Sent(NamedTuple):
    """A message: its id, its request's id, and when it was due, in seconds of the system's clock."""

    id: str
    request_id: str
    due: float


class Caller:
    """Somebody who sends at a steady pace, whatever comes back."""

    def __init__(self, broker: Broker, *, vouchers: list[str], load: float, seconds: float) -> None:
        """This method will describe the caller."""
        self._broker = broker
        self._vouchers = vouchers
        self._load = load
        self._count = max(20, int(load * seconds))

    def p99_ms(self, task: str, *, queue: str, ended: Callable[[Sequence[Sent]], list[float]]) -> float:
        """This method will send for a while and return the time that 99 of 100 messages did not take longer than.

        `ended` tells when each of them took effect, in seconds of the system's clock.
        """
        bodies = rows.redemptions(self._vouchers, how_many=self._count)
        ids = self._broker.stage(task, bodies, queue=queue, wants_answers=True)
        sent = []
        due = time.time()
        for id_, body, message in zip(ids, bodies, self._broker.take_staged(queue), strict=True):
            time.sleep(max(0.0, due - time.time()))
            self._broker.send(message, queue=queue)
            # It counts from when it was due: a sender that is held up does not make the wait shorter.
            sent.append(Sent(id_, body["requestId"], due))
            due += 1 / self._load
        self._broker.wait_until_done(queue)
        waits = [at - each.due for each, at in zip(sent, ended(sent), strict=True)]
        return p99_ms(waits[int(len(waits) * WARM_UP) :])


def committed(sent: Sequence[Sent]) -> list[float]:
    """This function will return when each redemption was committed, by the database's own record."""
    with transaction() as session:
        parameters: dict[str, Any] = {"project": rows.PROJECT, "ids": [each.request_id for each in sent]}
        at: dict[str, float] = dict(session.execute(_COMMITTED, parameters).all())
    if len(at) < len(sent):
        raise MeasureFailed(f"{len(sent) - len(at)} of {len(sent)} redemptions are not there")
    return [at[each.request_id] for each in sent]


def ran(sent: Sequence[Sent], *, broker: Broker) -> list[float]:
    """This function will return when each task had run, by Celery's own record."""
    stored = [each for each in broker.redis.mget([ANSWER.format(each.id) for each in sent]) if each is not None]
    if len(stored) < len(sent):
        raise MeasureFailed(f"{len(sent) - len(stored)} of {len(sent)} answers did not come")
    return [datetime.fromisoformat(json.loads(each)["date_done"]).timestamp() for each in stored]
