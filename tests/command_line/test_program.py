"""The program itself: its version, its completion, and a reader who goes away."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from scrip.commands.exit_codes import ExitCode
from tests.command_line.running import scrip, scrip_alone

CHECKOUT = Path(__file__).parents[2]


def test_the_version_is_that_of_the_package():
    """For a report of a fault."""
    assert scrip("--version") == (0, f"scrip {version('scrip')}\n", "")


@pytest.mark.parametrize(("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef scrip"), ("fish", "complete ")])
def test_a_completion_is_there_for_each_shell(shell: str, word: str):
    """The script calls the program again, which then names the commands."""
    done = scrip_alone(_SCRIP_COMPLETE=f"source_{shell}")
    assert (done.code, done.errors) == (0, "")
    assert word in done.output
    assert "_SCRIP_COMPLETE" in done.output


def test_a_completion_names_the_commands():
    """Without a database or any other address."""
    done = scrip_alone(
        _SCRIP_COMPLETE="complete_bash", COMP_WORDS="scrip dead", COMP_CWORD="1", DATABASE_URL="", REDIS_URL=""
    )
    assert done.output.split() == ["dead-letters"]


def test_the_help_lists_the_exit_codes():
    """A script's author looks there first."""
    assert re.search(r"Exit codes: 0 done.*6", scrip("--help").output.replace("\n", " "))


@pytest.mark.slow
def test_every_command_has_a_help_with_its_options():
    """The page of the command line is made from the same texts."""
    page = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    commands = re.findall(r"^### `scrip ([a-z -]+[a-z])", page, re.MULTILINE)
    assert len(commands) == len(set(commands)) > 20
    for command in commands:
        done = scrip(*command.split(), "--help")
        assert (done.code, done.errors) == (0, ""), command


def test_the_page_has_the_exit_codes():
    """And no other."""
    page = (CHECKOUT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.MULTILINE) == [str(code.value) for code in ExitCode]
