"""Waiting for a condition of a system that runs in other processes."""

import time
from collections.abc import Callable
from typing import TypeVar

# Only a broken program takes this long, even on a slow machine.
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.01

Found = TypeVar("Found")


def eventually(probe: Callable[[], Found | None], *, seconds: float = DEADLINE_SECONDS) -> Found:
    """Call the probe until the result is true and return that, or fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(POLL_SECONDS)
    return found


def pause() -> None:
    """Wait a moment for a server."""
    time.sleep(POLL_SECONDS)
