"""Beat signs its messages by Scrip's own key, and does not start if they would not be answered."""

from pathlib import Path

import pytest

from tests.end_to_end.database import rows
from tests.end_to_end.programs import Program
from tests.signing.conftest import Signed
from tests.signing.putting import without_key
from tests.support.overdue_schedule import write_overdue_schedule
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


def test_the_sweep_that_beat_sends_is_run(signed: Signed, tmp_path: Path) -> None:
    """It names no project, so the key has to be for all."""
    schedule_file = tmp_path / "schedule"
    write_overdue_schedule(schedule_file)
    variables = {**signed.worker.environment, "SCRIP_BEAT_SCHEDULE_FILE": str(schedule_file)}
    with Program("beat", folder=tmp_path / "beat", environment=variables) as beat:
        eventually(lambda: rows(signed.url, "SELECT 1 FROM sweeps") or not beat.is_alive())
        assert beat.is_alive(), beat.log


def test_beat_without_a_key_ends_with_one_line(signed: Signed, tmp_path: Path) -> None:
    """Nobody would notice for minutes that no sweep runs."""
    variables = without_key(signed.worker.environment)
    with Program("beat", folder=tmp_path / "beat", environment=variables) as beat:
        eventually(lambda: not beat.is_alive())
        assert beat.log.strip().endswith(
            "scrip: beat cannot sign its messages: SCRIP_SIGNERS_FILE is set, so SCRIP_SIGNING_KEY_FILE is required"
        )
