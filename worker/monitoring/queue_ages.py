"""How old the oldest message of each queue is on Redis and Valkey, as far as repeated looks can tell.

Senders are plain Celery clients, whose messages do not say when they were sent. So each look remembers the newest
message of a list and the time: a mark. A list is first in, first out. As long as a mark is in the list, the oldest
message of the list is at least as old as the mark, and by no more than the time between two looks older. A message that
a worker has taken is as old as the first look that found it.

A look does not reach the newest message of a very long list. There, the mark is the newest of the 25,000 oldest
messages. It may have waited behind others before it was one of these.

After a start there are no marks, so all ages begin at 0.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

# Marks of a list. With more, every second one is forgotten.
MARKS_MAX = 60
# A message of our own has under 300 kB. The marks of a list are in memory, and kept on the server.
MARK_BYTES_MAX = 2**20
# A mark is looked for among so many messages, from the oldest. That blocks the server for about a millisecond.
LOOK_COUNT_MAX = 50_000


class Mark(NamedTuple):
    """A message that was in its list at a time, by the monotonic clock."""

    text: bytes
    seen_at: float


class ListMarks:
    """The marks of one list, oldest first."""

    def __init__(self) -> None:
        """Begin without marks."""
        self._marks = deque[Mark]()

    def age(self, client: Any, key: str, *, length: int, now: float, taken: dict[str, float]) -> float:
        """Look at a list of that length, which is not 0, and return the age of its oldest message in seconds.

        The marks that have left the list are added to `taken` by their tags.
        """
        while self._marks and client.lpos(key, self._marks[0].text, rank=-1, maxlen=LOOK_COUNT_MAX) is None:
            self._note_taken(self._marks.popleft(), taken)
        # Messages that are put back come before a mark. The other half of the reach is for them.
        within_reach = LOOK_COUNT_MAX // 2
        text: bytes | None = client.lindex(key, 0 if length <= within_reach else -within_reach)
        if text is not None and len(text) <= MARK_BYTES_MAX and (not self._marks or self._marks[-1].text != text):
            self._marks.append(Mark(text, now))
            if len(self._marks) > MARKS_MAX:
                self._marks = deque(list(self._marks)[::2])
        return now - self._marks[0].seen_at if self._marks else 0

    def forget(self, taken: dict[str, float]) -> None:
        """Forget all marks, because the list is empty."""
        while self._marks:
            self._note_taken(self._marks.popleft(), taken)

    def _note_taken(self, mark: Mark, taken: dict[str, float]) -> None:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            taken[json.loads(mark.text)["properties"]["delivery_tag"]] = mark.seen_at


class QueueAges:
    """The ages of the oldest messages, from look to look."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with the first look. `clock` tells the time in seconds."""
        self._clock = clock
        self._lists: dict[str, ListMarks] = {}
        # The messages that were taken at the last look, by their tags.
        self._taken: dict[str, float] = {}

    def look(
        self, client: Any, *, lists: Mapping[str, Mapping[str, int]], taken: Mapping[str, str]
    ) -> dict[str, float]:
        """Return the age of the oldest message in seconds of each queue that has one.

        `lists` has the lists of each queue with their lengths, and `taken` the queue of each taken message by its tag.
        """
        now = self._clock()
        left: dict[str, float] = {}
        ages: dict[str, list[float]] = {}
        for queue, lengths in lists.items():
            for key, length in lengths.items():
                marks = self._lists.setdefault(key, ListMarks())
                if length:
                    ages.setdefault(queue, []).append(marks.age(client, key, length=length, now=now, taken=left))
                else:
                    marks.forget(left)
        self._taken = {tag: self._taken.get(tag, left.get(tag, now)) for tag in taken}
        for tag, queue in taken.items():
            ages.setdefault(queue, []).append(now - self._taken[tag])
        return {queue: max(each) for queue, each in ages.items()}
