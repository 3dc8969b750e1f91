"""A steady load of single redemptions, which goes on whatever happens to the servers and the workers."""

import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Self

from redis import RedisError
from sqlalchemy import text

from benchmarks import rows
from benchmarks.answers import Answers
from benchmarks.broker import Broker
from benchmarks.sampling import MeasureFailed
from worker.database import transaction

TASK, QUEUE = "redemptions.redeem", "redemptions"
# A sender tries so often to reach a broker that is away.
AWAY_SECONDS = 0.02
# An answer is stored before its message is acknowledged, and arrives in this time.
ARRIVAL_SECONDS_MAX = 2


class Staged(NamedTuple):
    """A message that is ready to be sent."""

    id: str
    request_id: str
    text: bytes | str


class Sent(NamedTuple):
    """A message that was sent: the id, and the instant at which it was due by `time.monotonic`."""

    id: str
    due: float


def staged(broker: Broker, vouchers: Sequence[str], *, how_many: int) -> list[Staged]:
    """Return messages that redeem the vouchers in turn."""
    bodies = rows.redemptions(vouchers, how_many=how_many)
    ids = broker.stage(TASK, bodies, queue=QUEUE, wants_answers=True)
    request_ids = (body["requestId"] for body in bodies)
    return [Staged(*each) for each in zip(ids, request_ids, broker.take_staged(QUEUE), strict=True)]


class SteadyLoad(threading.Thread):
    """Senders that send at a steady pace until the context ends, no matter when the answers come."""

    def __init__(self, broker: Broker, answers: Answers, messages: Sequence[Staged], *, rate: float) -> None:
        """Keep the messages, which must last until the context ends. `rate` is the number a second."""
        super().__init__(daemon=True)
        self.sent: list[Sent] = []
        # The text with which each request can be found in the database.
        self._request_ids: dict[str, str] = {}
        self._broker, self._answers, self._messages, self._rate = broker, answers, messages, rate
        self._is_ending = self._has_run_out = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_ending = True
        self.join()

    def run(self) -> None:
        """Send each message when it is due."""
        due = time.monotonic()
        for message in self._messages:
            time.sleep(max(0.0, due - time.monotonic()))
            if self._is_ending:
                return
            self._expect([message], due=due)
            self._send(message)
            due += 1 / self._rate
        self._has_run_out = True

    def send_together(self, messages: Sequence[Staged]) -> None:
        """Send many messages at once, besides the others."""
        self._expect(messages, due=time.monotonic())
        self._broker.redis.lpush(QUEUE, *[each.text for each in messages])

    def wait_until_answered(self) -> int:
        """Wait until all messages are acknowledged, and return the number of answers that only the database has.

        Raises MeasureFailed if a request was lost or failed, or if the messages did not last.
        """
        if self._has_run_out:
            raise MeasureFailed("the messages of the load did not last")
        self._broker.wait_until_done(QUEUE)
        missing = self._answers.wait(seconds_max=ARRIVAL_SECONDS_MAX)
        with transaction() as session:
            decided = session.execute(text(_DECIDED), {"ids": [self._request_ids[each] for each in missing]})
            lost = len(missing) - decided.scalar_one()
        if lost:
            raise MeasureFailed(f"{lost} of {len(self.sent)} requests were lost")
        return len(missing)

    def _expect(self, messages: Sequence[Staged], *, due: float) -> None:
        self._answers.expect(each.id for each in messages)
        self._request_ids |= {each.id: each.request_id for each in messages}
        self.sent += [Sent(each.id, due) for each in messages]

    def _send(self, message: Staged) -> None:
        while True:
            try:
                self._broker.send(message.text, queue=QUEUE)
            except (RedisError, OSError):
                time.sleep(AWAY_SECONDS)
            else:
                return


_DECIDED = "SELECT count(*) FROM redemptions WHERE project = 'bench' AND request_id = ANY(CAST(:ids AS text[]))"
