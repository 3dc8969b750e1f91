"""The Procfile: a line for each program of a deployment."""

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

PROCFILE = Path(__file__).parents[2] / "Procfile"
LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+):\s*(?P<command>\S.*)")
# The line that runs to the end before the others start.
RELEASE = "release"


class ProcfileInvalid(Exception):
    """The Procfile has a line that is not a program. The message is a single clear line."""


def read_procfile(path: Path) -> Mapping[str, Sequence[str]]:
    """Return the command of each program by its name, in the file's order.

    Raises ProcfileInvalid for a line that is not `NAME: COMMAND` or repeats a name.
    """
    programs: dict[str, Sequence[str]] = {}
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match or match["name"] in programs:
            raise ProcfileInvalid(f"line {number} of {path} is not a program with a name of its own")
        programs[match["name"]] = shlex.split(match["command"])
    return programs
