"""Short runs under faults with a fixed seed: every request is answered, once, and nothing else has happened."""

from pathlib import Path

import pytest

from tests.faults.kinds import FAULTS
from tests.faults.run import run_faults

SEED = 20_261_128
# In `make test`. `make faults` draws from all faults.
SHORT = ("commit-reset-after", "child-killed", "postgres-restarted", "commit-reset-before", "messages-duplicated")


def test_a_short_run_loses_nothing(tmp_path: Path) -> None:
    """One fault of each kind that takes a second or two."""
    report = run_faults(tmp_path, seed=SEED, faults=SHORT)
    assert [*report.findings, *report.violations] == [], "\n".join(report.lines())
    assert len(report.recoveries) == len(SHORT)
    assert report.requests > 100


@pytest.mark.scale
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_alone_loses_nothing(fault: str, tmp_path: Path) -> None:
    """Twice, because the second meets what the first has left."""
    report = run_faults(tmp_path, seed=SEED, faults=[fault] * 2)
    assert [*report.findings, *report.violations] == [], "\n".join(report.lines())
