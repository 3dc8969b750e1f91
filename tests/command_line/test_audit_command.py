"""`scrip audit`: exit code 0 without a violation, 1 with a row for each violation, 2 if the audit could not run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from tasks.audit.audit import CHECKS
from tests.support.requests import create_voucher, redeem
from worker.database import transaction


def run_audit(**variables: str) -> subprocess.CompletedProcess[str]:
    """Run `scrip audit` with those variables added."""
    program = Path(sys.executable).with_name("scrip")
    environment = {**os.environ, **variables}
    return subprocess.run(
        [program, "audit"], env=environment, capture_output=True, text=True, errors="replace", check=False
    )


@pytest.mark.usefixtures("database")
def test_a_sound_database_passes():
    """The output has the number of checks, so that no audit can pass without a check."""
    redeem(voucher=create_voucher()["id"])
    done = run_audit()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(CHECKS)} checks, 0 violations\n", "")


@pytest.mark.usefixtures("tampered_database")
def test_each_violation_is_a_row():
    """A row has check, project, subject and detail, for a person and for cut(1)."""
    for project in ("gigs", "other"):
        create_voucher(project=project)
    with transaction() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    done = run_audit()
    rows = sorted(line.split("\t") for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert [(row[0], row[1]) for row in rows] == [
        ("redemptions are counted and numbered without a gap", project) for project in ("gigs", "other")
    ]
    assert done.stderr == f"{len(CHECKS)} checks, 2 violations\n"


@pytest.mark.usefixtures("tampered_database")
def test_an_output_that_lacks_a_character_gets_another_one():
    """A terminal or a cron job without UTF-8 shows the violation, not an encoding error."""
    create_voucher(project="Straße ✓")
    with transaction() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    done = run_audit(PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert "\tStra" in done.stdout
    assert done.stderr == f"{len(CHECKS)} checks, 1 violations\n"


def test_a_database_that_cannot_be_reached_is_not_a_sound_one():
    """The message is a single clear line, without the password."""
    done = run_audit(DATABASE_URL="postgresql://scrip:s3cr3t@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scrip: the audit could not run: ")
    assert "s3cr3t" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_an_address_nothing_was_looked_at():
    """The exit code differs from that of a violation."""
    done = run_audit(DATABASE_URL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "scrip: the environment is not as it must be: DATABASE_URL: String should have at least 1 character\n"
    )
