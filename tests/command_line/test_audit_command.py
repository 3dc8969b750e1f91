"""`scrip audit`: exit code 0 without a violation, 1 with a row for each violation, 2 if the audit could not run."""

import json
import os
import subprocess

import pytest
from sqlalchemy import text

from tasks.audit.audit import CHECKS
from tests.command_line.running import PROGRAM, scrip, scrip_on_terminal
from tests.support.administrator import as_administrator
from tests.support.environment import with_reader
from tests.support.requests import create_voucher, redeem


def run_audit(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `scrip audit` with those variables added."""
    environment = {**os.environ, **with_reader(variables)}
    return subprocess.run(
        [PROGRAM, "audit", *words], env=environment, capture_output=True, text=True, errors="replace", check=False
    )


@pytest.mark.usefixtures("database")
def test_a_sound_database_passes():
    """The output has the number of checks, so that no audit can pass without a check."""
    redeem(voucher=create_voucher()["id"])
    done = run_audit()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(CHECKS)} checks, 0 violations\n", "")


@pytest.mark.slow
@pytest.mark.usefixtures("tampered_database")
def test_each_violation_is_a_row():
    """A row has check, project, subject and detail, for a person and for cut(1)."""
    for project in ("gigs", "other"):
        create_voucher(project=project)
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    done = run_audit()
    rows = sorted(line.split("\t") for line in done.stdout.splitlines())
    assert done.returncode == 1
    assert [(row[0], row[1]) for row in rows] == [
        ("redemptions are counted and numbered without a gap", project) for project in ("gigs", "other")
    ]
    assert done.stderr == f"{len(CHECKS)} checks, 2 violations\n"


@pytest.mark.slow
@pytest.mark.usefixtures("tampered_database")
def test_an_output_that_lacks_a_character_gets_another_one():
    """A terminal or a cron job without UTF-8 shows the violation, not an encoding error."""
    create_voucher(project="Straße ✓")
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    done = run_audit(PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert "\tStra" in done.stdout
    assert done.stderr == f"{len(CHECKS)} checks, 1 violations\n"


@pytest.mark.slow
def test_a_database_that_cannot_be_reached_is_not_a_sound_one():
    """The message is a single clear line, without the password."""
    done = run_audit(DATABASE_URL="postgresql://scrip:s3cr3t@127.0.0.1:1/none", REDIS_URL="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("scrip: the audit could not run: ")
    assert "s3cr3t" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_without_an_address_nothing_was_looked_at():
    """The exit code differs from that of a violation."""
    done = run_audit(DATABASE_URL="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "scrip: the environment is not as it must be: DATABASE_URL: String should have at least 1 character\n"
    )


COUNTED = "redemptions are counted and numbered without a gap"


@pytest.mark.usefixtures("tampered_database")
def test_a_choice_of_checks_is_run():
    """By a part of their names. The others find nothing, because they are not run."""
    create_voucher(project="Straße ✓")
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    chosen = scrip("audit", "--check", "counted and numbered")
    assert (chosen.code, chosen.errors) == (1, "1 checks, 1 violations\n")
    assert [row[:2] for row in chosen.rows()] == [[COUNTED, "Straße ✓"]]
    others = [name for name in CHECKS if "budget" in name]
    assert scrip("audit", "--check", "budget") == (0, f"{len(others)} checks, 0 violations\n", "")
    assert scrip("audit", "--check", "budget", "--check", "counted and numbered").code == 1
    assert scrip("audit", "--check", "budgetary").code == 2


@pytest.mark.usefixtures("tampered_database")
def test_a_program_gets_an_object_a_line():
    """The last one has the counts."""
    create_voucher(project="Straße ✓")
    counts = {"object": "audit", "checks": len(CHECKS), "violations": 0}
    assert scrip("audit", "--json").lines() == [counts]
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET redemptions = 7"))
    done = scrip("audit", "--json")
    violation, last = done.lines()
    assert (done.code, done.errors, last) == (1, "", {**counts, "violations": 1})
    assert (violation["object"], violation["check"], violation["project"]) == ("violation", COUNTED, "Straße ✓")


@pytest.mark.slow
def test_the_checks_explain_themselves_without_a_database():
    """By their queries. None is run."""
    done = run_audit("--explain", "--json", DATABASE_URL="")
    explained = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert {each["check"]: each["query"] for each in explained} == {
        name: " ".join(query.split()) for name, query in CHECKS.items()
    }
    assert scrip("audit", "--explain", "--check", "counted and numbered").rows()[0][0] == COUNTED


@pytest.mark.slow
def test_a_reader_who_goes_away_is_no_finding():
    """As with `scrip audit --explain | true`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([PROGRAM, "audit", "--explain"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_a_terminal_shows_the_progress():
    """On standard error, so that a file has the violations only."""
    code, shown = scrip_on_terminal("audit")
    assert code == 0
    assert "auditing" in shown
    assert f"{len(CHECKS)} checks, 0 violations" in shown
