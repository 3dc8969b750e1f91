"""A finding of the history checker."""

from typing import NamedTuple


class Finding(NamedTuple):
    """A broken promise: its name, the request or the object, and the values that disagree."""

    check: str
    subject: object
    detail: str
