"""The ages of the oldest messages, with marks that are kept on the server between looks of different processes.

A command that looks once has no marks of its own. Beat looks every minute, and so does every `scrip status`.
"""

import base64
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from worker.monitoring.queue_ages import ListMarks, Mark, QueueAges

KEY = "scrip.queue-ages"
# Nobody looks any more: then the marks are of no use.
KEPT_SECONDS = 86_400
# Of a list. They are written at each look.
KEPT_MARKS_MAX = 10
# A longer message is no mark, since it would be stored again at each look.
MARK_BYTES_MAX = 65_536
MICROSECONDS = 1_000_000


class KeptQueueAges(QueueAges):
    """The ages of the oldest messages, by the server's clock. Each look continues the last look of any process."""

    def __init__(self) -> None:
        """Begin with what the server has kept, at the first look."""
        super().__init__(lambda: self._now)
        self._now = 0.0

    def look(
        self, client: Any, *, lists: Mapping[str, Mapping[str, int]], taken: Mapping[str, str]
    ) -> dict[str, float]:
        """Return the age of the oldest message in seconds of each queue that has one, and keep the marks."""
        seconds, microseconds = client.time()
        self._now = seconds + microseconds / MICROSECONDS
        # Whatever else may be there, the marks begin anew.
        with suppress(ValueError, TypeError, KeyError, AttributeError):
            self._restore(json.loads(client.get(KEY) or "{}"))
        ages = super().look(client, lists=lists, taken=taken)
        client.set(KEY, json.dumps(self._state()), ex=KEPT_SECONDS)
        return ages

    def _restore(self, state: Any) -> None:
        for key, kept in state.get("lists", {}).items():
            marks = self._lists[key] = ListMarks()
            marks._marks = deque(Mark(base64.b64decode(text), float(seen_at)) for text, seen_at in kept)  # noqa: SLF001 - its own room
        self._taken = {str(tag): float(seen_at) for tag, seen_at in state.get("taken", {}).items()}

    def _state(self) -> dict[str, Any]:
        lists = {key: _kept(marks) for key, marks in self._lists.items()}
        return {"lists": {key: kept for key, kept in lists.items() if kept}, "taken": self._taken}


def _kept(marks: ListMarks) -> list[tuple[str, float]]:
    short = [each for each in marks._marks if len(each.text) <= MARK_BYTES_MAX]  # noqa: SLF001 - its own room
    # The oldest says how old the queue is, and the others take over when it has been taken.
    thinned = short[:: max(1, -(-len(short) // KEPT_MARKS_MAX))]
    return [(base64.b64encode(each.text).decode(), each.seen_at) for each in thinned]
