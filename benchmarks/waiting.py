"""How long a message waits at half load: from when it was sent until its effect is committed.

The load is half of what Celery's task that does nothing sustains here, and the same for both. Its effect is that it
has run. Each wants its answer, and the moment that counts is the one that is written into it: after COMMIT.
Writing messages is not what is measured: they are written before, and sent as they are.
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
from benchmarks.line import Line, MeasureFailed, at_most_more, how_many, in_turn
from benchmarks.plan import Plan
from benchmarks.stage import BASELINE, Stage
from benchmarks.sweeping import p99_ms

QUEUE = "redemptions"
ANSWER = "celery-task-meta-{}"
# The first few connect and prepare.
WARM_UP = 0.1


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
            "redeem": lambda: caller.p99_ms("redemptions.redeem", queue=QUEUE),
            "noop": lambda: caller.p99_ms("baseline.noop", queue=BASELINE),
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
    """A message: its id, and when it was due, in seconds of the system's clock."""

    id: str
    due: float


class Caller:
    """Somebody who sends at a steady pace, whatever comes back."""

    def __init__(self, broker: Broker, *, vouchers: list[str], load: float, seconds: float) -> None:
        """This method will describe the caller."""
        self._broker = broker
        self._vouchers = vouchers
        self._load = load
        self._count = max(20, int(load * seconds))

    def p99_ms(self, task: str, *, queue: str) -> float:
        """This method will send for a while and return the time that 99 of 100 messages did not take longer than."""
        requests = rows.redemptions(self._vouchers, how_many=self._count)
        ids = self._broker.stage(task, requests, queue=queue, wants_answers=True)
        messages = self._broker.take_staged(queue)
        sent = []
        due = time.time()
        for id_, message in zip(ids, messages, strict=True):
            time.sleep(max(0.0, due - time.time()))
            self._broker.send(message, queue=queue)
            # It counts from when it was due: a sender that is held up does not make the wait shorter.
            sent.append(Sent(id_, due))
            due += 1 / self._load
        self._broker.wait_until_done(queue)
        waits = [at - each.due for each, at in zip(sent, ended(sent, broker=self._broker), strict=True)]
        return p99_ms(waits[int(len(waits) * WARM_UP) :])


def ended(sent: Sequence[Sent], *, broker: Broker) -> list[float]:
    """This function will return when each task was done, in seconds of the system's clock, as its answer says."""
    stored = [each for each in broker.redis.mget([ANSWER.format(each.id) for each in sent]) if each is not None]
    answers = [json.loads(each) for each in stored]
    if sum(each["status"] == SUCCESS for each in answers) < len(sent):
        raise MeasureFailed(f"of {len(sent)} messages, not every one was answered")
    return [datetime.fromisoformat(each["date_done"]).timestamp() for each in answers]
