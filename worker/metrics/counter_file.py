"""The files in which a worker counts, in the format of prometheus_client's multiprocess mode.

A worker takes the first number that no other holds, by a lock that ends with the process, and goes on counting in the
files of that number. So there are no more files than workers at a time, a total never falls, and no file is ever
removed. A process that is killed loses nothing, because the kernel keeps what it wrote to the mapped memory.

Metrics must never stop a worker. The whole file is allocated at first: writing to mapped memory on a full disk would
kill the process.
"""

import fcntl
import os
import struct
from bisect import bisect_left
from contextlib import suppress
from itertools import count
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import floatToGoString

from worker.metrics.definitions import Kind, Metric

# A series takes up to 200 bytes. Those of every task, outcome and reason fill a part of this.
FILE_BYTES = 2**20
# What the format adds to a series' key: its length, up to 8 bytes of padding, the value and its time.
ADDED_BYTES = 28
HEADER_BYTES = 8
# The definition has the meaning. In each key it would take more room than all the rest.
NO_MEANING = ""
# What reading a damaged file raises.
UNREADABLE = (OSError, RuntimeError, ValueError, struct.error)


class CounterFile:
    """The counts of one worker, which nobody else writes."""

    def __init__(self, folder: Path) -> None:
        """Take the first free number. Raises OSError if the folder or the files cannot be used."""
        self.number, self._lock = _take_number(folder)
        self._files: dict[str, MmapedDict] = {}
        self._bytes_left: dict[str, int] = {}
        self._values: dict[str, float] = {}
        for kind in (Kind.COUNTER, Kind.HISTOGRAM):
            file = self._files[kind] = _open(folder / f"{kind}_{self.number}.db")
            found = {key: value for key, value, _ in file.read_all_values()}
            self._values |= found
            self._bytes_left[kind] = FILE_BYTES - HEADER_BYTES - sum(map(_bytes_of, found))
        self._keys: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """Add to a counter with those values of its labels."""
        (key,) = self._keys_of(metric, labels)
        self._add(metric, key, amount)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add an observation to a histogram with those values of its labels."""
        total, *buckets = self._keys_of(metric, labels)
        self._add(metric, buckets[bisect_left(metric.buckets, value)], 1)
        self._add(metric, total, value)

    def _add(self, metric: Metric, key: str, amount: float) -> None:
        if key in self._values:
            self._values[key] += amount
            self._files[metric.kind].write_value(key, self._values[key], 0)

    def _keys_of(self, metric: Metric, labels: tuple[str, ...]) -> list[str]:
        found = self._keys.get((metric.name, labels))
        if found is None:
            found = self._keys[metric.name, labels] = self._new_keys(metric, labels)
        return found

    def _new_keys(self, metric: Metric, labels: tuple[str, ...]) -> list[str]:
        keys = _keys(metric, list(labels))
        new = [key for key in keys if key not in self._values]
        bytes_left = self._bytes_left[metric.kind] - sum(map(_bytes_of, new))
        # Otherwise the file would grow. The series is then not counted.
        if bytes_left >= 0:
            self._bytes_left[metric.kind] = bytes_left
            for key in new:
                self._values[key] = 0
                self._files[metric.kind].write_value(key, 0, 0)
        return keys

    def close(self) -> None:
        """Close the files, and leave their number to another worker."""
        for file in self._files.values():
            file.close()
        os.close(self._lock)


def _keys(metric: Metric, values: list[str]) -> list[str]:
    """Return the keys of a counter, or of the sum and the buckets of a histogram."""
    names, family = list(metric.labels), metric.family
    if metric.kind is Kind.COUNTER:
        return [mmap_key(family, metric.name, names, values, NO_MEANING)]
    bounds = [floatToGoString(each) for each in (*metric.buckets, float("inf"))]
    of_buckets = [mmap_key(family, f"{family}_bucket", [*names, "le"], [*values, each], NO_MEANING) for each in bounds]
    return [mmap_key(family, f"{family}_sum", names, values, NO_MEANING), *of_buckets]


def _bytes_of(key: str) -> int:
    return len(key.encode()) + ADDED_BYTES


def _take_number(folder: Path) -> tuple[int, int]:
    for number in count(1):
        lock = os.open(folder / f"{number}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
        except OSError:
            os.close(lock)
            raise
        else:
            return number, lock
    raise AssertionError


def _open(path: Path) -> MmapedDict:
    if path.exists() and not _is_readable(path):
        # The machine has crashed while it was written.
        path.unlink()
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
    except OSError:
        # An empty file would be in the way of everybody who reads the folder.
        with suppress(OSError):
            path.unlink()
        raise
    finally:
        os.close(descriptor)
    return MmapedDict(str(path))


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            used: int = struct.unpack("i", file.read(4))[0]
        MultiProcessCollector.merge([str(path)])
    except UNREADABLE:
        return False
    return 0 <= used <= path.stat().st_size
