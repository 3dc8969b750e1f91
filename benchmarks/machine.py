"""The machine of a run, and the speed at the moment."""

import os
import platform
import time

import psutil

CALIBRATION = 10_000_000


def machine() -> str:
    """Return a text with the cores, the Python version and the system."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def calibration_seconds() -> float:
    """Return the seconds of a plain loop. A shared machine is slower at times by a factor of four."""
    started = time.perf_counter()
    total = 0
    for number in range(CALIBRATION):
        total += number
    return time.perf_counter() - started


def stolen_seconds() -> float:
    """Return the CPU steal since the start of the machine, in seconds of all processors."""
    seconds: float = getattr(psutil.cpu_times(), "steal", 0.0)
    return seconds


def calibrated() -> str:
    """Return a text with the machine and the speed at the moment."""
    return f"{machine()}; a loop of {CALIBRATION:,} additions took {calibration_seconds():.1f} s"
