"""A worker under attack: it must live, answer the next request, and have counted what it refused."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.end_to_end.broker import Json
from tests.end_to_end.client import Client
from tests.end_to_end.database import row_counts
from tests.end_to_end.programs import Worker
from tests.metrics.counting import counts_in
from tests.support.requests import redemption

REDEEM = "redemptions.redeem"
DROPPED, COMMANDS, ANSWERS = "scrip_messages_dropped_total", "scrip_commands_refused_total", "scrip_answers_total"
# Of what an attack may add to the memory of the worker's main process: bodies are limited to 16 MiB.
MEGABYTE = 2**20
PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class Attacked:
    """A worker with a client, and what the worker has counted and logged since the beginning of a test."""

    def __init__(self, worker: Worker, client: Client) -> None:
        """Remember the counts, the length of the log, and the process."""
        self.worker, self.client = worker, client
        self._folder = Path(worker.environment["SCRIP_METRICS_FOLDER"])
        self._before, self._log_length, self._process = counts_in(self._folder), len(worker.log), worker.process

    @property
    def log(self) -> str:
        """What the worker has logged since."""
        return self.worker.log[self._log_length :]

    def count(self, *sample: str) -> int:
        """Return a count by the name of its sample and the values of its labels, sorted by the labels' names."""
        return int(counts_in(self._folder).get(sample, 0) - self._before.get(sample, 0))

    def assert_counted(self, *sample: str) -> None:
        """Wait until something was counted once: a worker counts after it has answered."""
        self.worker.eventually(lambda: self.count(*sample) >= 1)
        assert self.count(*sample) == 1

    def error(self, task_id: str) -> Json:
        """Wait until a task has failed, and return its error."""
        outcome = self.worker.eventually(lambda: self.client.broker.outcome(task_id))
        assert outcome["status"] == "FAILURE", outcome
        error: Json = outcome["result"]
        return error

    def bad_fields(self, task_id: str) -> list[str]:
        """Wait until a task has failed with InvalidRequest, and return the names of its bad fields."""
        error = self.error(task_id)
        assert error["exc_type"] == "InvalidRequest", error
        return [each["field"] for each in error["exc_message"][0]]

    def assert_unharmed(self, *, rows: Mapping[str, int] | None = None) -> None:
        """Check that the same process answers the next request, and that only the given rows are there beside it."""
        answer = self.client.ask(REDEEM, redemption(code="NONE"))
        assert answer["reason"] == "voucher_not_found"
        self.worker.wait_until_acknowledged()
        assert self.worker.process is self._process
        expected = {"redemptions": 1, "subscriptions": 1}
        found = row_counts(self.worker.environment["DATABASE_URL"])
        assert found == {name: expected.get(name, 0) + (rows or {}).get(name, 0) for name in {*expected, *(rows or {})}}

    def peak_bytes(self) -> int:
        """Return the most memory that the main process has ever had resident."""
        status = Path(f"/proc/{self.main_pid()}/status").read_text(encoding="ascii")
        found = PEAK.search(status)
        assert found
        return int(found[1]) * 1_024

    def main_pid(self) -> int:
        """Return the id of the main process."""
        return self.worker.process.pid

    def forget_peak(self) -> int:
        """Let the main process's peak begin anew, and return the memory that is resident now."""
        Path(f"/proc/{self.main_pid()}/clear_refs").write_text("5", encoding="ascii")
        return self.peak_bytes()
