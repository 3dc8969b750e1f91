"""The demo, as a newcomer runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scrip.demo.demo import audit_demo

SCRIP = Path(sys.executable).with_name("scrip")
TABLES = (
    "Redemption requests by scenario",
    "Redemption requests, accepted and refused by reason",
    "Discounts by cycle and currency",
    "Vouchers by reason of retirement",
    "sub_monthly_31, invoice by invoice",
    "Codes, step by step",
    "A stamp card, receipt by receipt",
    "Usage of cus_kim",
    "A balance, invoice by invoice",
    "Promises",
)


@pytest.mark.scale
def test_the_demo_ends_as_expected_and_leaves_nothing(tmp_path: Path) -> None:
    """Every table is there, no row is marked, and the temporary folder is gone."""
    command = [str(SCRIP), "demo"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [title for title in TABLES if title not in ran.stdout] == []
    assert "✗" not in ran.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_demo_wants_an_empty_folder(tmp_path: Path) -> None:
    """Existing data would be among the results."""
    (tmp_path / "something").touch()
    command = [str(SCRIP), "demo", "--home", str(tmp_path)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1
    assert ran.stderr == f"scrip demo: {tmp_path} is not empty; the demo starts with nothing\n"


def test_the_demo_audits_its_database(database: dict[str, str]) -> None:
    """The address comes from the environment of the stack."""
    assert audit_demo(database).holds
