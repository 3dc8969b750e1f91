"""`make check` names known faults of locked packages, and says what it could not look up."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.deployment.known_faults import NOT_CHECKED, report_of

LOCKED = "jinja2==2.4.1 --hash=sha256:" + "0" * 64
FAULT = {
    "id": "PYSEC-1",
    "summary": "A fault.",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.7.2"}]}],
        }
    ],
}


@contextmanager
def index_with(*faults: object) -> Iterator[str]:
    """Answer every query with these faults, in the format of OSV, and yield the address."""

    class Index(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.dumps({"vulns": faults} if faults else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Index) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


def check(address: str, lock: Path) -> tuple[int, str]:
    """Return the exit code of a check of one package, and its output."""
    lock.write_text(LOCKED + "\n")
    command = [sys.executable, "-m", "tests.deployment.known_faults", str(lock), "--osv-url", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


@pytest.mark.slow
def test_a_known_fault_fails_the_check(tmp_path: Path) -> None:
    """The fault and the version that mends it are named."""
    with index_with(FAULT) as address:
        code, said = check(address, tmp_path / "lock.txt")
    assert (code, said) == (1, "known faults: 1 in 1 packages\njinja2 2.4.1: PYSEC-1, fixed in 2.7.2\n")
    with index_with() as address:
        assert check(address, tmp_path / "lock.txt") == (0, "known faults: 0 in 1 packages\n")


@pytest.mark.slow
def test_what_could_not_be_looked_for_is_said(tmp_path: Path) -> None:
    """Nothing listens at port 9."""
    assert check("http://127.0.0.1:9/v1/query", tmp_path / "lock.txt") == (0, NOT_CHECKED + "\n")


def test_a_package_that_the_index_does_not_know_was_not_looked_up() -> None:
    """If it knows none, nothing was."""
    known = {"name": "celery", "version": "5.7", "vulns": []}
    unknown = [{"name": f"own-{number}", "skip_reason": "Dependency not found"} for number in range(7)]
    assert report_of([known, *unknown]) == (
        [
            "known faults: 0 in 1 packages",
            "not looked up, since the index does not know them: 7 packages (own-0, own-1, own-2, own-3, own-4, …)",
        ],
        False,
    )
    assert report_of(unknown) == ([NOT_CHECKED], False)
