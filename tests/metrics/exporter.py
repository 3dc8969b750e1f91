"""`scrip metrics` as a program, and what it serves."""

import re
import signal
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from os import environ
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from scrip.stack.listener import LOOPBACK, free_port

CHECKOUT = Path(__file__).parents[2]
ANSWER_SECONDS_MAX = 30
Samples = dict[tuple[str, ...], float]


class Exporter:
    """A running exporter."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = process, port

    def get(self, path: str = "/metrics", *, credentials: str | None = None) -> tuple[int, str]:
        """Return the status and the body of an answer."""
        connection = HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS_MAX)
        headers = {"Authorization": f"Basic {b64encode(credentials.encode()).decode()}"} if credentials else {}
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def samples(self) -> Samples:
        """Return the value of each sample by its name and the values of its labels, sorted by the labels' names."""
        status, page = self.get()
        assert status == HTTPStatus.OK, page
        return {
            (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(page)
            for sample in family.samples
        }

    def types(self) -> dict[str, str]:
        """Return the type of each metric that the exporter announces, with or without samples."""
        return dict(re.findall(r"^# TYPE (\S+) (\S+)$", self.get()[1], re.MULTILINE))

    def stop(self) -> int:
        """Ask the exporter to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


def begin(variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start `scrip metrics`, as the Procfile does."""
    return subprocess.Popen(
        [sys.executable, "-m", "scrip.cli", "metrics"],
        cwd=CHECKOUT,
        env={**environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running_exporter(variables: Mapping[str, str]) -> Iterator[Exporter]:
    """Run an exporter on a free port, and wait until it listens."""
    port = free_port()
    process = begin({"SCRIP_METRICS_LISTEN": f"{LOOPBACK}:{port}", **variables})
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line.startswith("metrics: http://"), line
        yield Exporter(process, port)
    finally:
        process.kill()
        process.communicate()
