"""The whole of `make bench`, at the smallest size."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import MEASURES

CHECKOUT = Path(__file__).parent.parent.parent
SECONDS_MAX = 900
# These measures need neither a worker nor many rows.
FAST = ("redeem-all", "apply-all")


def bench(*words: str, into: Path) -> dict[str, list[dict[str, Any]]]:
    """Run the benchmarks and return the lines of each measure."""
    command = [sys.executable, "-m", "benchmarks", *words, "--size", "quick", "--into", str(into)]
    ended = subprocess.run(
        command, cwd=CHECKOUT, env=os.environ, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    assert ended.returncode == 0, ended.stderr + ended.stdout
    document = json.loads((into / "bench.json").read_text())
    assert document["durability"]["fsync"] == "on"
    assert all(part["violations"] == [] for part in document["parts"])
    assert all(
        line["measure"] in " ".join(ended.stdout.split()) for part in document["parts"] for line in part["lines"]
    )
    return {part["name"]: part["lines"] for part in document["parts"]}


@pytest.mark.scale
def test_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    """The servers are new, and audited afterwards."""
    lines = bench(*FAST, into=tmp_path)
    assert tuple(lines) == FAST
    assert all(min(line["values"]) > 0 for each in lines.values() for line in each)


@pytest.mark.scale
def test_everything_is_measured(tmp_path: Path) -> None:
    """Each measure gives its lines, through workers if it is end to end."""
    lines = bench(into=tmp_path)
    assert tuple(lines) == tuple(MEASURES)
    assert all(lines.values())
