"""A request of the load, and the project of all of them."""

from typing import NamedTuple

from tests.faults.history import Json

PROJECT = "faults"


class Request(NamedTuple):
    """A task and its request."""

    task: str
    body: Json
    is_poison: bool = False
