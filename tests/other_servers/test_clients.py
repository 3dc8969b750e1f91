"""The guides for clients in other languages, each copied from its page and run as a program of its own."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.documents.blocks import blocks
from tests.end_to_end.programs import Worker
from tests.other_servers.packages import install, missing_packages
from tests.support.requests import create_voucher

pytestmark = pytest.mark.scale

PROGRAMS = {"redis-cli": "redis-tools", "node": "nodejs", "npm": "npm"}


@pytest.fixture(scope="module", autouse=True)
def programs() -> None:
    """Install the programs that the pages use."""
    missing = missing_packages(PROGRAMS)
    reason = install(missing) if missing else None
    assert reason is None, reason


def printed(command: Sequence[str], *, folder: Path, variables: Mapping[str, str]) -> str:
    """Run a program beside a worker, and return what it prints."""
    create_voucher(project="acme", code="SUMMER")
    with Worker(folder=folder / "worker", environment=variables) as worker:
        worker.wait_ready()
        environment = {**os.environ, **variables}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_shell_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """The result has the fields of the page, and the answer its values."""
    script = "".join(blocks("docs/how-to/redis.md", "sh"))
    (shown,) = map(json.loads, blocks("docs/how-to/redis.md", "json"))
    result = json.loads(printed(["/bin/sh", "-eu", "-c", script], folder=tmp_path, variables=database))
    assert set(result) == set(shown)
    assert result["status"] == "SUCCESS"
    varying = {"id", "voucher", "discount", "decidedAt"}
    assert {name for name in shown["result"] if shown["result"][name] != result["result"][name]} == varying


def test_node_gets_its_answer(database: dict[str, str], tmp_path: Path) -> None:
    """The page's module and program are saved as they stand."""
    module, program = blocks("docs/how-to/node.md", "js")
    (tmp_path / "scrip.mjs").write_text(module)
    (tmp_path / "redeem.mjs").write_text(program)
    npm = shutil.which("npm")
    assert npm
    subprocess.run([npm, "install", "--silent", "redis@5"], cwd=tmp_path, check=True, capture_output=True)
    assert printed(["node", "redeem.mjs"], folder=tmp_path, variables=database) == "accepted\n"
