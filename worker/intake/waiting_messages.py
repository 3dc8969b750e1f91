"""The messages of a task that wait for a child: new ones, and redelivered ones.

When a worker has died, another gets hundreds of its messages at once. New messages do not wait for all of them. The two
kinds take turns. Redelivered messages run in smaller batches, and while such a batch is running, the next one waits, so
that another child is free for new messages.
"""

from collections import deque
from collections.abc import Callable

from celery.worker.request import Request

from worker.intake.batch import Batch, own_time_limit

# The size of a batch in bytes: a few large invoices fill a batch as many small requests do.
BATCH_BYTES_MAX = 4 * 2**20
# A batch of so many takes some 25 ms. A full batch would hold up a child, and the processors, for 150 ms.
REDELIVERED_SIZE_MAX = 50


class WaitingMessages:
    """The requests of a task that wait for a child, in the order of their arrival for each kind."""

    def __init__(self, *, size_max: int) -> None:
        """Begin with none. `size_max` is the number of messages that the task decides together."""
        self._size_max = size_max
        self._new, self._redelivered = deque[Request](), deque[Request]()
        # The batch for which redelivered messages wait. Messages that are decided one by one do not wait.
        self.awaited: Batch | None = None
        self._is_turn_of_new = False

    def __len__(self) -> int:
        """Return the number of requests that may be sent now."""
        return len(self._new) + (0 if self.awaited else len(self._redelivered))

    def add(self, request: Request) -> None:
        """Add a request as the last of its kind."""
        (self._redelivered if request.delivery_info["redelivered"] else self._new).append(request)

    def take(self, *, allowed_size: Callable[[int], int]) -> list[Request]:
        """Remove the requests of the next batch and return them, at most as many as are allowed of the batch's size."""
        requests: list[Request] = []
        gathered, size_max = self._next_kind()
        size_max, bytes_left = allowed_size(size_max), BATCH_BYTES_MAX
        while gathered and len(requests) < size_max and (bytes_left > 0 or not requests):
            request = gathered.popleft()
            # Acknowledgement point: Celery's `revoked` acknowledges a message that was revoked or has expired.
            if request.revoked():
                continue
            if own_time_limit(request):
                # The limit is the message's own, so the message is alone.
                if not requests:
                    return [request]
                gathered.appendleft(request)
                break
            requests.append(request)
            bytes_left -= len(request.message.body)
        return requests

    def _next_kind(self) -> tuple[deque[Request], int]:
        if not self._redelivered or self.awaited or (self._new and self._is_turn_of_new):
            return self._new, self._size_max
        return self._redelivered, min(self._size_max, REDELIVERED_SIZE_MAX)

    def note_sent(self, batch: Batch) -> bool:
        """Note that a batch was sent, and return whether redelivered requests wait for its end."""
        self._is_turn_of_new = bool(batch.requests[0].delivery_info["redelivered"])
        must_wait = self._is_turn_of_new and self._size_max > 1
        if must_wait:
            self.awaited = batch
        return must_wait

    def note_ended(self, batch: Batch) -> bool:
        """Note that a batch has ended, or that nobody waits for it. Return whether redelivered requests have waited."""
        has_ended = batch is self.awaited
        if has_ended:
            self.awaited = None
        return has_ended

    def take_all(self) -> list[Request]:
        """Remove all requests and return them."""
        taken = [*self._new, *self._redelivered]
        self._new.clear()
        self._redelivered.clear()
        return taken
