"""Durations on the command line: a number and a unit."""

import re
from datetime import timedelta

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
# A hundred thousand days are within the calendar of the database.
FORM = re.compile(r"([0-9]{1,5})([smhd])")


def duration(text: str, *, as_json: bool = False) -> timedelta:
    """Return the duration that a text such as `15m` names, or end the command."""
    found = FORM.fullmatch(text)
    if not found:
        raise ended(ExitCode.UNUSABLE, "a duration is a number with s, m, h or d: 90s, 15m, 2h, 7d", as_json=as_json)
    return timedelta(**{UNITS[found[2]]: int(found[1])})
