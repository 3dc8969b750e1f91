"""The form of the results that Scrip's workers announce, so that Flower shows no other."""

import re

# Words, and counts after words: `refused already_applied`, `accepted 3, invalid 1`. An announced value has quotes,
# braces or no word.
_PART = r"[a-z][A-Za-z_]{0,63}(?: [a-z][a-z_]{0,63})?(?: [0-9]{1,9})?"
SHOWN = re.compile(rf"{_PART}(?:, {_PART})*")
# A bulk answer has at most one part for each outcome and reason.
LENGTH_MAX = 4_000


def is_shown_answer(result: object) -> bool:
    """Return whether a result of an event has the form of what a worker shows of an answer."""
    return isinstance(result, str) and len(result) <= LENGTH_MAX and SHOWN.fullmatch(result) is not None
