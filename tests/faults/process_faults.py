"""Faults of the programs: children, workers and beats die, stop, are restarted, or reach a fault point."""

import shelve
import signal
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psutil

from tests.faults.system import FaultUnavailableError, System
from worker.fault_points import COUNTER, VARIABLE, FaultPoint

# The longest stop exceeds the visibility timeout, so the messages of a stopped worker go to another.
STOPPED_SECONDS = (2, 20)
# A fault point is armed until the fault has happened so often, or for so long: workers may take seconds to start.
TIMES, POINT_SECONDS_MAX = 3, 20
CLOCK_SECONDS = 6
# More often, and the same message would lose its connection each time, because it always takes as many steps.
EVERY = (7, 20)
ROLLING = 20
BEATS, BEAT_SECONDS = 3, 5
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - libfaketime's own choice
LIBFAKETIME = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1")


def kill_child(system: System) -> None:
    """Kill a child with SIGKILL."""
    children = system.any_worker().processes()[1:]
    if children:
        with suppress(psutil.NoSuchProcess):
            system.random.choice(children).kill()


def kill_worker(system: System) -> None:
    """Kill a worker and its children at once, as in a power failure, and start it again."""
    system.restart(system.any_worker())


def stop_worker(system: System) -> None:
    """Stop a worker and its children with SIGSTOP, and let them go on."""
    worker = system.any_worker()
    worker.freeze()
    system.let_pass(system.random.uniform(*STOPPED_SECONDS))
    worker.thaw()


def roll_restarts(system: System) -> None:
    """Restart the workers one after the other with SIGTERM."""
    for number in range(ROLLING):
        worker = system.workers[number % len(system.workers)]
        system.revive()
        system.stop_worker(worker)
        worker.start()


def run_several_beats(system: System) -> None:
    """Run three beats at once, stop one for a while, kill another, and start that again as if it was away for a day."""
    with system.beats(BEATS) as beats:
        system.let_pass(BEAT_SECONDS, until=system.schedule_file(0).exists)
        beats[0].kill()
        beats[1].process.send_signal(signal.SIGSTOP)
        move_schedule_back(system.schedule_file(0))
        with beats[0]:
            system.let_pass(BEAT_SECONDS)
        beats[1].process.send_signal(signal.SIGCONT)


def beat_at_point(system: System, point: FaultPoint, action: str) -> None:
    """Arm a fault point in a beat whose sweep is overdue. Then let another beat go on with the same schedule."""
    counter = system.folder / f"beat-{point}-{action}-{time.monotonic_ns()}"
    schedule = system.schedule_file(0)
    for variables in ({}, {VARIABLE: f"{point}:{action}:1", COUNTER: str(counter)}, {}):
        with system.beats(1, **variables) as (beat,):
            if variables:
                system.let_pass(POINT_SECONDS_MAX, until=lambda: reached(counter) > 0)
            system.let_pass(BEAT_SECONDS, until=schedule.exists)
            beat.kill()
        move_schedule_back(schedule)
    if not reached(counter):
        raise FaultUnavailableError("beat did not reach the point")


def move_schedule_back(file: Path) -> None:
    """Let the last sweep of a beat be a day ago. A beat that was killed early has stored none."""
    with shelve.open(str(file), writeback=True) as schedule:  # noqa: S301 - a file that this run has written
        for entry in schedule.get("entries", {}).values():
            entry.last_run_at -= timedelta(days=1)


def at_point(system: System, point: FaultPoint, action: str) -> None:
    """Arm a fault point in both workers for a while, and then restart them without it."""
    every = system.random.randint(*EVERY)
    counter = system.folder / f"{point}-{action}-{time.monotonic_ns()}"
    for each in system.workers:
        system.restart(each, **{VARIABLE: f"{point}:{action}:{every}", COUNTER: str(counter)})
    system.let_pass(POINT_SECONDS_MAX, until=lambda: reached(counter) >= TIMES * every)
    for each in system.workers:
        if action == "raise":
            # A kill would be a second fault: a child that ends stores the answers that wait for the result store.
            system.stop_worker(each)
            each.start()
        else:
            system.restart(each)
    if reached(counter) < every:
        raise FaultUnavailableError(f"the point was reached {reached(counter)} times, of {every}")


def reached(counter: Path) -> int:
    """Return how often a fault point was reached."""
    return int(counter.read_text() or 0) if counter.exists() else 0


def move_clock(system: System, offset: str) -> None:
    """Run a worker whose clock is off by so much, as libfaketime writes it."""
    libraries = [found for pattern in LIBFAKETIME for found in Path("/").glob(pattern.lstrip("/"))]
    if not libraries:
        raise FaultUnavailableError("libfaketime is not installed (Debian: apt install libfaketime)")
    worker = system.any_worker()
    system.restart(worker, LD_PRELOAD=str(libraries[0]), FAKETIME=offset)
    try:
        system.let_pass(CLOCK_SECONDS)
        system.restart(worker)
    finally:
        remove_files_of_libfaketime()


def remove_files_of_libfaketime() -> None:
    """Remove the shared memory and the semaphores of killed processes, which libfaketime names by the process."""
    for file in SHARED_MEMORY.glob("*faketime_*"):
        number = file.name.rsplit("_", maxsplit=1)[-1]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            with suppress(OSError):
                file.unlink()
