"""Fault points: named places in the code at which a test makes a process die, stop or fail.

They are off unless SCRIP_FAULT_POINT names a point, an action and a number, such as `before-commit:kill:3`: every third
time that a process reaches the point, it is killed. SCRIP_FAULT_COUNTER names a file that counts across processes and
restarts. Without it, each process counts for itself.
"""

import fcntl
import os
import re
import signal
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from celery.signals import after_task_publish, before_task_publish
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

VARIABLE, COUNTER = "SCRIP_FAULT_POINT", "SCRIP_FAULT_COUNTER"
ROW_LOCK = " FOR NO KEY UPDATE"
WRITES = ("INSERT", "UPDATE", "DELETE")


class FaultPoint(StrEnum):
    """The places, in the order in which a message reaches them in a worker, and those of a sender."""

    AFTER_FETCH = "after-fetch"
    AFTER_LOCK = "after-lock"
    AFTER_WRITE = "after-write"
    BEFORE_COMMIT = "before-commit"
    AFTER_COMMIT = "after-commit"
    WHILE_ANSWERING = "while-answering"
    WHILE_PUTTING_BACK = "while-putting-back"
    BEFORE_ACKNOWLEDGEMENT = "before-acknowledgement"
    # Beat reaches these with each task that it sends.
    BEFORE_PUBLISHING = "before-publishing"
    AFTER_PUBLISHING = "after-publishing"


class InjectedFault(OperationalError, ConnectionError):
    """A lost connection, for code that talks to the database as well as for code that talks to the broker."""


def _kill(_point: FaultPoint) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_point: FaultPoint) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise(point: FaultPoint) -> None:
    raise InjectedFault(None, None, ConnectionError(f"injected at {point}"))


ACTIONS: dict[str, Callable[[FaultPoint], None]] = {"kill": _kill, "stop": _stop, "raise": _raise}


def _pass(_point: FaultPoint) -> None:
    """Do nothing: no fault point is armed."""


def armed(variables: Mapping[str, str]) -> Callable[[FaultPoint], None]:
    """Return the function that a process calls at each point. Raises ValueError if the variable cannot be read."""
    if not variables.get(VARIABLE):
        return _pass
    form = f"({'|'.join(FaultPoint)}):({'|'.join(ACTIONS)}):([1-9][0-9]*)"
    read = re.fullmatch(form, variables[VARIABLE])
    if read is None:
        raise ValueError(f"{VARIABLE} must be POINT:ACTION:NUMBER, as before-commit:kill:3")
    armed_point, act, times = FaultPoint(read[1]), ACTIONS[read[2]], int(read[3])
    reached = _counter(variables.get(COUNTER))

    def reach(point: FaultPoint) -> None:
        if point is armed_point and reached() % times == 0:
            act(point)

    return reach


def _counter(file: str | None) -> Callable[[], int]:
    if file is None:
        numbers = count(1)
        return lambda: next(numbers)
    path = Path(file)

    def reached() -> int:
        with path.open("a+") as counter:
            fcntl.flock(counter, fcntl.LOCK_EX)
            counter.seek(0)
            number = int(counter.read() or 0) + 1
            counter.truncate(0)
            counter.write(str(number))
            return number

    return reached


# Bound once, so that a point costs an empty call when it is off.
reach = armed(os.environ)


def watch_statements(engine: Engine) -> None:
    """Reach a point after each row lock and after each write of the engine, if a point is armed."""
    if reach is not _pass:
        event.listen(engine, "after_cursor_execute", _reach_after_statement)


def watch_publishing() -> None:
    """Reach a point before and after each task that is published, if a point is armed."""
    if reach is not _pass:
        before_task_publish.connect(_reach_before_publishing)
        after_task_publish.connect(_reach_after_publishing)


def _reach_before_publishing(**_: Any) -> None:
    reach(FaultPoint.BEFORE_PUBLISHING)


def _reach_after_publishing(**_: Any) -> None:
    reach(FaultPoint.AFTER_PUBLISHING)


def _reach_after_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    if ROW_LOCK in statement:
        reach(FaultPoint.AFTER_LOCK)
    elif statement.lstrip().startswith(WRITES):
        reach(FaultPoint.AFTER_WRITE)
