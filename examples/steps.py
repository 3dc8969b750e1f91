"""A step of the tour."""

from catalogue import PROJECT, Json


def step(what: str, task: str, request: Json, answer: Json) -> Json:
    """Return a step. Every request names the project."""
    return {"what": what, "task": task, "request": {"project": PROJECT, **request}, "answer": answer}
