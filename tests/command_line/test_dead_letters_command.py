"""`scrip dead-letters`: dead letters are listed, shown, sent again and discarded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from typer.testing import CliRunner

from scrip.cli import main
from tasks.wire.dead_letters import give_up
from worker.intake.delivery import Original

SECRET = "HUSH-CODE-7d20"
HEADERS = {"id": "task-1", "task": "redemptions.redeem", "retries": 7, "eta": "2026-01-01T00:00:00+00:00", "lang": "py"}
BODY = json.dumps([[], {"request": {"project": "gigs", "code": SECRET}}, {}])


def scrip(*words: str) -> tuple[int, str, str]:
    """Run `scrip dead-letters` in this process, and return the exit code, the output and the errors."""
    done = CliRunner().invoke(main, ["dead-letters", *words])
    return done.exit_code, done.stdout, done.stderr


def scrip_alone(*words: str) -> tuple[int, str, str]:
    """Run `scrip dead-letters` as a program, which reads the environment anew."""
    program = Path(sys.executable).with_name("scrip")
    done = subprocess.run(
        [program, "dead-letters", *words], env=os.environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def dead_letter(database: dict[str, str]) -> str:
    """Give up a message and return its id."""
    assert database
    original = Original(
        queue="redemptions",
        headers=HEADERS,
        body=BODY.encode(),
        content_type="application/json",
        content_encoding="utf-8",
    )
    give_up(
        key=("gigs", "task-1"),
        task="redemptions.redeem",
        original=original,
        reason="IntegrityError, SQLSTATE 23514",
        attempts=3,
    )
    return "task-1"


@pytest.mark.usefixtures("database")
def test_where_nothing_was_given_up_nothing_is_listed():
    """An unknown id gives a single clear line."""
    assert scrip("list") == (0, "", "0 dead letters\n")
    for command in ("show", "retry", "discard"):
        assert scrip(command, "task-1") == (1, "", "scrip: there is no dead letter task-1\n")


def test_a_list_says_why_and_never_what(dead_letter: str):
    """Only `show` prints the body."""
    code, shown, _ = scrip("list")
    assert code == 0
    (line,) = shown.splitlines()
    task_id, project, task, _, attempts, reason = line.split("\t")
    assert (task_id, project, task) == (dead_letter, "gigs", "redemptions.redeem")
    assert (attempts, reason) == ("3", "IntegrityError, SQLSTATE 23514")
    code, shown, _ = scrip("show", dead_letter)
    assert code == 0
    whole = json.loads(shown)
    assert (whole["body"], whole["headers"]) == (BODY, HEADERS)


def test_a_retry_publishes_the_very_message_as_a_new_one(dead_letter: str, database: dict[str, str]):
    """The message keeps its id, is due now, and has never been tried."""
    broker = Redis.from_url(database["REDIS_URL"], decode_responses=True)
    try:
        assert scrip("retry", dead_letter)[:2] == (0, "task-1\tsent again\n")
        message = json.loads(str(broker.rpop("redemptions")))
    finally:
        broker.delete("redemptions")
        broker.close()
    assert message["headers"] == HEADERS | {"retries": 0, "eta": None, "expires": None}
    assert (message["content-type"], message["content-encoding"]) == ("application/json", "utf-8")
    assert message["properties"]["correlation_id"] == dead_letter
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "redemptions"}
    assert scrip("list")[1] == ""


def test_what_is_discarded_is_gone(dead_letter: str):
    """The row is deleted."""
    assert scrip("discard", dead_letter)[:2] == (0, "task-1\tdiscarded\n")
    assert scrip("list")[1] == ""


def test_what_cannot_be_sent_is_kept(dead_letter: str, monkeypatch: pytest.MonkeyPatch):
    """No dead letter is lost while the broker is down."""
    with monkeypatch.context() as patch:
        patch.setenv("BROKER_URL", "redis://127.0.0.1:1/0")
        code, shown, said = scrip_alone("retry", dead_letter)
    assert (code, shown) == (2, "")
    assert said.startswith("scrip: dead letters could not be reached: ")
    assert said.count("\n") == 1
    assert scrip("list")[1].startswith(dead_letter)


def test_without_an_address_nothing_was_looked_for(monkeypatch: pytest.MonkeyPatch):
    """The exit code differs from that of an unknown id."""
    monkeypatch.setenv("DATABASE_URL", "")
    said = "scrip: the environment is not as it must be: DATABASE_URL: String should have at least 1 character\n"
    for words in (("list",), ("show", "task-1"), ("retry", "task-1"), ("discard", "task-1")):
        assert scrip_alone(*words) == (2, "", said)
