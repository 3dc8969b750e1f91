"""The counters of the tests' own process, which count in a folder of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from worker.metrics.counters import counters


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Count in a folder, and return it."""
    counters.begin(tmp_path / "metrics")
    yield tmp_path / "metrics"
    counters.end()
