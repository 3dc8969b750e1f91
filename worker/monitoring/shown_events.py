"""The events of tasks as Flower keeps them: with the callers' ids and the outcome, and without any other value."""

import ast
from typing import Any

from worker.intake.shown_request import summary
from worker.monitoring.shown_results import is_shown_answer


def shown_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event of a task without its arguments and its answer, but with its ids and its outcome.

    Senders may announce whole bodies, and other workers whole answers, which contain the code.
    """
    shown = dict(event)
    if "args" in event:
        shown["args"] = "()"
    if "kwargs" in event:
        shown["kwargs"] = summary(_value(event["kwargs"]))
    if "result" in event:
        shown["result"] = event["result"] if is_shown_answer(event["result"]) else ""
    return shown


def _value(representation: object) -> object:
    """Return the value of a Python literal, or None if the text is truncated or no literal."""
    try:
        return ast.literal_eval(str(representation))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
