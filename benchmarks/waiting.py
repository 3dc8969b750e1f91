"""How long a caller waits at half load: from sending a message until its answer is there.

The answer comes after COMMIT, so this is no less than from sending to committed. The load is half of what Celery's
task that does nothing sustains here, and the same for both.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from statistics import median
from threading import Thread

from celery import Celery
from redis import Redis

from benchmarks import rows
from benchmarks.broker import Broker
from benchmarks.line import Line, MeasureFailed, at_most_more, how_many, in_turn
from benchmarks.plan import Plan
from benchmarks.stage import BASELINE, Stage
from benchmarks.sweeping import p99_ms

QUEUE = "redemptions"
# Where Celery announces each answer.
ANSWERS = "celery-task-meta-*"
ANSWER_SECONDS_MAX = 60
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
        caller = Caller(stage.environment, vouchers=vouchers, load=load, seconds=plan.load_seconds)
        measures = {
            "redeem": lambda: caller.p99_ms("redemptions.redeem", queue=QUEUE),
            "noop": lambda: caller.p99_ms("baseline.noop", queue=BASELINE),
        }
        samples = in_turn(measures, repetitions=min(3, plan.repetitions))
    yield Line(
        measure=f"send to answer at half load ({load:,.0f}/s), p99",
        baseline="Celery no-op, same load",
        values=samples["redeem"],
        baselines=samples["noop"],
        goal=at_most_more(25),
        unit="ms",
        note="an answer comes after COMMIT: no less than send to committed",
    )


class Caller:
    """Somebody who sends at a steady pace, whatever comes back, and notes when each answer came."""

    def __init__(self, environment: dict[str, str], *, vouchers: list[str], load: float, seconds: float) -> None:
        """This method will describe the caller."""
        self._app = Celery("caller", broker=environment["REDIS_URL"], set_as_current=False)
        self._redis = Redis.from_url(environment["REDIS_URL"], decode_responses=True)
        self._vouchers = vouchers
        self._load = load
        self._count = max(20, int(load * seconds))

    def p99_ms(self, task: str, *, queue: str) -> float:
        """This method will send for a while and return the time that 99 of 100 messages did not take longer than."""
        bodies = rows.redemptions(self._vouchers, how_many=self._count)
        answered: dict[str, float] = {}
        with self._redis.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        ) as answers:
            answers.psubscribe(ANSWERS)
            listening = Thread(target=self._listen, args=(answers, answered), daemon=True)
            listening.start()
            due = time.perf_counter()
            sent = {}
            for body in bodies:
                time.sleep(max(0.0, due - time.perf_counter()))
                # It counts from when it was due: a sender that is held up does not make the wait shorter.
                sent[self._app.send_task(task, kwargs={"request": body}, queue=queue).id] = due
                due += 1 / self._load
            listening.join(ANSWER_SECONDS_MAX)
        if len(answered) < len(sent):
            raise MeasureFailed(f"{len(sent) - len(answered)} of {len(sent)} answers did not come")
        waits = [answered[task_id] - started for task_id, started in sent.items()]
        return p99_ms(waits[int(len(waits) * WARM_UP) :])

    def _listen(self, answers: object, answered: dict[str, float]) -> None:
        # Ends with the last answer, or with the connection.
        with suppress(OSError, ValueError):
            for message in answers.listen():  # type: ignore[attr-defined]
                task_id = json.loads(message["data"])["task_id"]
                answered.setdefault(task_id, time.perf_counter())
                if len(answered) == self._count:
                    return
