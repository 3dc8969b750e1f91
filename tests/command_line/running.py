"""Run `scrip` in this process, as a program of its own, or on a terminal."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from signal import SIGINT, default_int_handler, signal
from typing import Any, NamedTuple

from typer.testing import CliRunner

from scrip.cli import main
from tests.support.environment import with_reader

PROGRAM = Path(sys.executable).with_name("scrip")
PROJECT = {"SCRIP_PROJECT": "gigs"}
READ_BYTES = 65_536


class Done(NamedTuple):
    """How a command ended."""

    code: int
    output: str
    errors: str

    def lines(self) -> list[Any]:
        """Return the objects of the output, which must be one a line and nothing else."""
        return [json.loads(line) for line in self.output.splitlines()]

    def rows(self) -> list[list[str]]:
        """Return the cells of each line of the output."""
        return [line.split("\t") for line in self.output.splitlines()]


def scrip(*words: str, typed: str | None = None, project: str = "gigs") -> Done:
    """Run `scrip` in this process, without a terminal."""
    done = CliRunner().invoke(main, words, input=typed, env={"SCRIP_PROJECT": project}, catch_exceptions=False)
    return Done(done.exit_code, done.stdout, done.stderr)


def scrip_alone(*words: str, typed: str | None = None, **variables: str) -> Done:
    """Run `scrip` as a program, which reads the environment anew."""
    environment = {**os.environ, **PROJECT, **with_reader(variables)}
    done = subprocess.run(
        [PROGRAM, *words], env=environment, input=typed, capture_output=True, text=True, errors="replace", check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def scrip_on_terminal(
    *words: str, typed: str = "", interrupted_at: str = "", variables: Mapping[str, str] = {}
) -> tuple[int, str]:
    """Run `scrip` on a terminal of 200 columns on which somebody types, and return the exit code and what it shows.

    When the text `interrupted_at` is shown, the program gets the signal of Ctrl-C.
    """
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    environment = {**os.environ, **PROJECT, "COLUMNS": "200", "TERM": "xterm", **variables}
    # A shell starts its background jobs with SIGINT ignored, and the program would inherit that.
    inherited = signal(SIGINT, default_int_handler)
    with subprocess.Popen([PROGRAM, *words], env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as program:
        signal(SIGINT, inherited)
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
            if interrupted_at and interrupted_at.encode() in shown:
                program.send_signal(SIGINT)
                interrupted_at = ""
    os.close(ours)
    return program.returncode, shown.decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, READ_BYTES)
    except OSError:
        # Linux says so when the last program has closed its side.
        return b""
