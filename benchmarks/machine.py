"""What the figures were measured on, and how fast it was just then."""

import os
import platform
import time

import psutil

CALIBRATION = 10_000_000


def machine() -> str:
    """This function will name the machine."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"


def calibration_seconds() -> float:
    """This function will time a plain loop: shared machines are slower at times by a factor of four."""
    started = time.perf_counter()
    total = 0
    for number in range(CALIBRATION):
        total += number
    return time.perf_counter() - started


def stolen_seconds() -> float:
    """This function will return for how long, since the start, the processors wanted to work and were others'."""
    seconds: float = getattr(psutil.cpu_times(), "steal", 0.0)
    return seconds


def calibrated() -> str:
    """This function will say what figures of this moment are worth."""
    return f"{machine()}; a loop of {CALIBRATION:,} additions took {calibration_seconds():.1f} s"
