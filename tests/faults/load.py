"""The load of a run: a thread that keeps requests in flight, reads their results, and records both."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import uuid4

from tests.faults.history import Asking
from tests.faults.request import Request
from tests.faults.requests_by_seed import Requests
from tests.faults.sending import AWAY, Sender

IN_FLIGHT_MAX = 40
PER_TICK_MAX = 4
TICK_SECONDS = 0.02
# While the broker is away, the sender waits so long between two attempts.
AWAY_SECONDS = 0.1


@dataclass(slots=True)
class InFlight:
    """A message that is being sent or was sent, and has no result yet."""

    request: Request
    asking: Asking
    is_sent: bool = False


class Load(threading.Thread):
    """Senders and askers. `pause` ends new requests; those in flight are read on."""

    def __init__(self, sender: Sender, *, seed: int) -> None:
        """Draw the requests by the seed."""
        super().__init__(daemon=True)
        self.requests = Requests(random.Random(seed))  # noqa: S311 - no secret, and must be repeatable
        self.sender = sender
        self.askings: list[Asking] = []
        self.in_flight: dict[str, InFlight] = {}
        self.messages = 0
        self.lock = threading.RLock()
        self.is_paused, self.is_ending = False, False
        self.error: BaseException | None = None

    def run(self) -> None:
        """Send and read until `end` is called. While the broker is away, try again."""
        try:
            while not self.is_ending:
                self._tick()
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            self.error = error

    def _tick(self) -> None:
        try:
            self._read()
            self._send_again()
            if not self.is_paused:
                for _ in range(min(PER_TICK_MAX, IN_FLIGHT_MAX - len(self.in_flight))):
                    self.ask(self.requests.draw())
        except AWAY:
            time.sleep(AWAY_SECONDS)
        time.sleep(TICK_SECONDS)

    def ask(self, request: Request) -> None:
        """Send a request as a new message. If the broker is away, it is sent later."""
        task_id = str(uuid4())
        asking = Asking(task=request.task, request=request.body, sent_at=time.monotonic(), is_poison=request.is_poison)
        with self.lock:
            self.in_flight[task_id] = InFlight(request, asking)
        self._send(task_id)

    def send_all_again_after(self, loss: Callable[[], object]) -> None:
        """Let the broker lose its data, and send everything in flight again, as callers do who know of the loss."""
        with self.lock:
            loss()
            self.send_all_again()

    def send_all_again(self) -> None:
        """Send everything in flight again, as callers do who do not know what was lost."""
        with self.lock:
            for each in self.in_flight.values():
                each.is_sent = False

    def end(self) -> None:
        """End the thread."""
        self.is_ending = True
        self.join()

    def waiting_since(self, instant: float) -> list[Asking]:
        """Return the askings that were sent before the instant, and have no result yet."""
        with self.lock:
            return [each.asking for each in self.in_flight.values() if each.asking.sent_at < instant]

    def _send(self, task_id: str) -> None:
        with self.lock:
            flying = self.in_flight[task_id]
            self.sender.send(flying.request.task, flying.request.body, task_id=task_id)
            flying.is_sent = True
            self.messages += 1

    def _send_again(self) -> None:
        with self.lock:
            unsent = [task_id for task_id, each in self.in_flight.items() if not each.is_sent]
        for task_id in unsent:
            self._send(task_id)

    def _read(self) -> None:
        with self.lock:
            waiting = list(self.in_flight)
        for task_id, result in self.sender.results(waiting).items():
            with self.lock:
                flying = self.in_flight.pop(task_id)
                answered = replace(
                    flying.asking,
                    answered_at=time.monotonic(),
                    state=result["status"],
                    answer=result["result"],
                )
                self.askings.append(answered)
            if answered.is_answered:
                self.requests.note(flying.request, answered.answer)
