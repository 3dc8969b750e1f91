"""The program itself: its version, its completion, and a reader who goes away."""

import re
from importlib.metadata import version

import pytest

from tests.command_line.running import scrip, scrip_alone


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
