"""The files in which workers count: a total never falls, whatever happens to a worker, and no worker is harmed."""

import os
import resource
import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.counting import counts_in
from worker.metrics.counter_file import FILE_BYTES, CounterFile
from worker.metrics.definitions import ANSWERS, BATCH_MESSAGES

ACCEPTED = ("redemptions.redeem", "accepted", "")
SAMPLE = ("scrip_answers_total", "accepted", "", "redemptions.redeem")
# Pickled by name, as a spawned process needs it.
spawning = get_context("spawn")


def count_and_be_killed(folder: Path, times: int) -> None:
    """Count in a process that has no time to close anything."""
    file = CounterFile(folder)
    for _ in range(times):
        file.add(ANSWERS, 1, *ACCEPTED)
    os.kill(os.getpid(), signal.SIGKILL)


def begin_without_room(folder: Path, results: Any) -> None:
    """Begin to count where no file can have its full size, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES // 2, FILE_BYTES // 2))
    try:
        CounterFile(folder)
    except OSError as error:
        results.put(type(error).__name__)


def run(target: Any, *arguments: Any) -> int | None:
    """Run a function in a process of its own, and return the exit code."""
    process = spawning.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


def test_a_killed_worker_loses_no_count(tmp_path: Path) -> None:
    """The kernel keeps what was written to mapped memory."""
    assert run(count_and_be_killed, tmp_path, 1_000) == -signal.SIGKILL
    assert counts_in(tmp_path) == {SAMPLE: 1_000}


@pytest.mark.slow
def test_the_next_worker_goes_on_in_the_files_of_a_dead_one(tmp_path: Path) -> None:
    """So a total never falls, and restarts leave no files behind."""
    for _ in range(3):
        run(count_and_be_killed, tmp_path, 5)
    file = CounterFile(tmp_path)
    file.add(ANSWERS, 1, *ACCEPTED)
    assert counts_in(tmp_path) == {SAMPLE: 16}
    assert {each.name for each in tmp_path.iterdir()} == {"1.lock", "counter_1.db", "histogram_1.db"}
    file.close()


def test_workers_at_the_same_time_have_files_of_their_own(tmp_path: Path) -> None:
    """The exporter adds them up. A number that is free again is the next worker's."""
    first, second = CounterFile(tmp_path), CounterFile(tmp_path)
    for number, file in enumerate((first, second), start=1):
        file.add(ANSWERS, number, *ACCEPTED)
    assert (first.number, second.number) == (1, 2)
    assert counts_in(tmp_path) == {SAMPLE: 3}
    first.close()
    third = CounterFile(tmp_path)
    third.add(ANSWERS, 1, *ACCEPTED)
    assert third.number == 1
    assert counts_in(tmp_path) == {SAMPLE: 4}
    second.close()
    third.close()


def test_an_observation_counts_in_the_first_bucket_that_holds_it(tmp_path: Path) -> None:
    """A bound belongs to its bucket. Prometheus adds the buckets up."""
    file = CounterFile(tmp_path)
    for size in (1, 2, 500, 1_000, 1_001):
        file.observe(BATCH_MESSAGES, size, "billing.apply")
    file.close()
    counts = counts_in(tmp_path)
    buckets = {
        bound: counts["scrip_batch_messages_bucket", bound, "billing.apply"]
        for bound in ("1.0", "2.0", "200.0", "500.0", "1000.0", "+Inf")
    }
    assert buckets == {"1.0": 1, "2.0": 2, "200.0": 2, "500.0": 3, "1000.0": 4, "+Inf": 5}
    assert counts["scrip_batch_messages_sum", "billing.apply"] == 2_504
    assert counts["scrip_batch_messages_count", "billing.apply"] == 5


def test_without_room_a_worker_is_told_at_its_start(tmp_path: Path) -> None:
    """Later, a write to mapped memory for which there is no room would kill it. No half a file stays behind."""
    results = spawning.Queue()
    assert run(begin_without_room, tmp_path, results) == 0
    assert results.get(timeout=60) == "OSError"
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.slow
def test_the_files_never_grow(tmp_path: Path) -> None:
    """With more series than there is room for, the first stay and the others are not counted, after a restart too."""
    for _ in range(2):
        file = CounterFile(tmp_path)
        for number in range(10_000):
            file.add(ANSWERS, 1, "task", "outcome", f"reason_{number}")
        file.observe(BATCH_MESSAGES, 1, "task")
        file.close()
        assert {each.stat().st_size for each in tmp_path.glob("*.db")} == {FILE_BYTES}
    counts = counts_in(tmp_path)
    answers = {labels[1]: value for (name, *labels), value in counts.items() if name == ANSWERS.name}
    assert 5_000 < len(answers) < 10_000
    assert set(answers.values()) == {2}
    assert counts["scrip_batch_messages_count", "task"] == 2


@pytest.mark.parametrize("damage", [b"\xff" * FILE_BYTES, b"\x00\x10\x00\x00" + b"\x00" * 8_000, b"\x07"])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    """A machine that crashed has perhaps written only a part of it."""
    (tmp_path / "counter_1.db").write_bytes(damage)
    file = CounterFile(tmp_path)
    file.add(ANSWERS, 1, *ACCEPTED)
    file.close()
    assert counts_in(tmp_path) == {SAMPLE: 1}


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """The worker's start logs it, and the worker works without counts."""
    with pytest.raises(OSError, match="nowhere"):
        CounterFile(tmp_path / "nowhere")
