"""What a document says of a task."""

from celery import Task


def first_line(task: Task) -> str:
    """Return the first line of the docstring of a task's use case."""
    return (task.__doc__ or "").strip().splitlines()[0]
