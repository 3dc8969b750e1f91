"""Ending a session: the program that was started in a new session, and all descendants."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

# A killed process is gone as soon as the kernel gets to it.
GONE_SECONDS_MAX = 10
POLL_SECONDS = 0.02


def end_session(leader: subprocess.Popen[bytes]) -> None:
    """Kill all processes of the session that `leader` was started in, and wait until they are gone.

    Descendants with sessions of their own, as those of Postgres, are found only while the leader lives.
    """
    family = list(_descendants(leader))
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while (left := [each for each in [*family, *_members(leader.pid)] if _lives(each)]) and time.monotonic() < deadline:
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(POLL_SECONDS)
    leader.poll()


def _descendants(leader: subprocess.Popen[bytes]) -> Iterator[psutil.Process]:
    # The process id stays the leader's own until poll() has reaped it.
    if leader.poll() is None:
        with suppress(psutil.NoSuchProcess):
            yield from psutil.Process(leader.pid).children(recursive=True)


def _members(session: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(ProcessLookupError):
            if os.getsid(process.pid) == session:
                yield process


def _lives(process: psutil.Process) -> bool:
    # A zombie holds nothing any more. It waits for the parent, which may be another process.
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
