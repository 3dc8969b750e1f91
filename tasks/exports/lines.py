"""The lines of the report of an import: what became of each object of an export, and why."""

from enum import StrEnum
from typing import Any

from domain.value_class import value
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.fields import storable


class Outcome(StrEnum):
    """What became of an object."""

    IMPORTED = "imported"
    # There is nothing to bring over.
    SKIPPED = "skipped"
    # By a rule: the same object may be imported when the reason is gone.
    REFUSED = "refused"
    INVALID = "invalid"


@value
class Line:
    """What became of an object, with its id in the other system and the id here."""

    object: str
    id: str
    outcome: Outcome
    reason: str = ""
    imported_as: str = ""


def invalid(object_: str, id_: str, error: InvalidRequest) -> Line:
    """Return the line of an object with bad fields."""
    reason = "; ".join(f"{each['field']}: {each['message']}" for each in error.errors)
    return Line(object=object_, id=id_, outcome=Outcome.INVALID, reason=reason)


def answered(object_: str, id_: str, answer: Answer, *, name: str = "id", note: str = "") -> Line:
    """Return the line of an object that was decided. `name` is the field of the answer with the id here."""
    if answer.get("outcome") == "refused":
        return Line(object=object_, id=id_, outcome=Outcome.REFUSED, reason=str(answer["reason"]))
    return Line(object=object_, id=id_, outcome=Outcome.IMPORTED, reason=note, imported_as=str(answer[name]))


def skipped(object_: str, id_: str, reason: str) -> Line:
    """Return the line of an object of which there is nothing to bring over."""
    return Line(object=object_, id=id_, outcome=Outcome.SKIPPED, reason=reason)


def refused(object_: str, id_: str, reason: str) -> Line:
    """Return the line of an object that cannot run on here as it did."""
    return Line(object=object_, id=id_, outcome=Outcome.REFUSED, reason=reason)


def id_of(body: Any, name: str = "id") -> str:
    """Return the id of an object, or of an object that is named by its id. An id that cannot be stored is none."""
    identity = body.get(name) if isinstance(body, dict) else body
    return identity if isinstance(identity, str) and _is_storable(identity) else ""


def _is_storable(identity: str) -> bool:
    try:
        storable(identity)
    except ValueError:
        return False
    return True
