"""Flower's configuration, which it executes: `celery -A tasks flower --conf=worker/flower.py`.

What stands here wins over Flower's own reading of the environment, so each variable that counts is read here.
"""

import ast
import os
from typing import Any

from worker.intake.request import summary

credentials = os.environ.get("FLOWER_BASIC_AUTH", "").split(",")
if not all(user and password for user, _, password in (each.partition(":") for each in credentials)):
    raise SystemExit("scrip: Flower does not start without a password: set FLOWER_BASIC_AUTH=user:password")

# Flower listens on every interface where it is told nothing.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"
port = int(os.environ.get("FLOWER_PORT") or 5555)
# It looks and does not touch: without this, its API sends tasks past the contract and stops workers.
read_only = True
# What it saw is for the moment; the database has what happened.
persistent = False
max_tasks = 10_000
# The ids take the place of Flower's own.
tasks_columns = "name,kwargs,state,received,runtime,worker,uuid"


def format_task(task: Any) -> Any:
    """This function will leave a task its ids: senders announce whole bodies, and an answer contains the code."""
    task.args = "()"
    task.kwargs = summary(_value(task.kwargs))
    task.result = ""
    return task


def _value(representation: object) -> object:
    """This function will read a dict literal back; nothing where it was cut short or is something else."""
    try:
        return ast.literal_eval(str(representation))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
