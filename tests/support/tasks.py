"""The contract's tasks by their names, called as plain functions."""

from typing import cast

from celery import Task
from celery.local import Proxy

from tasks.celery import app


def task_named(name: str) -> Task:
    """Return the task of that name. The task is looked up at the first use, because the app needs the settings."""
    return cast("Task", Proxy(lambda: app.tasks[name]))
