"""Flower's configuration file, which Flower executes: `celery -A tasks flower --conf=worker/flower.py`.

The file takes precedence over Flower's own environment variables, so the ones that we support are read here.
"""

import ast
import os
from typing import Any

from worker.intake.shown_request import summary
from worker.logs.beginning import log
from worker.monitoring.installation import install
from worker.monitoring.shown_results import is_shown_answer
from worker.settings import log_settings

credentials = os.environ.get("FLOWER_BASIC_AUTH", "").split(",")
if not all(user and password for user, _, password in (each.partition(":") for each in credentials)):
    raise SystemExit("scrip: Flower does not start without a password: set FLOWER_BASIC_AUTH=user:password")

# Without an address, Flower listens on every interface.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"
port = int(os.environ.get("FLOWER_PORT") or 5555)
# Without this, Flower's API can stop workers and send tasks that the contract does not know.
read_only = True
# Flower's state is not kept: the database has the history.
persistent = False
# Shared among the names of tasks, so that the sweeps stay.
max_tasks = 10_000
# `kwargs` holds the callers' ids, and `result` the outcome and the reason, or counts.
tasks_columns = "name,kwargs,state,result,received,runtime,worker,uuid"

install()
# Tornado has set up its log by now.
log.begin("flower", values=log_settings())


def format_task(task: Any) -> Any:
    """Return the task with only its ids and its outcome.

    Senders may announce whole bodies, and other workers whole answers, which contain the code.
    """
    task.args = "()"
    task.kwargs = summary(_value(task.kwargs))
    task.result = task.result if is_shown_answer(task.result) else ""
    return task


def _value(representation: object) -> object:
    """Return the value of a Python literal, or None if the text is truncated or no literal."""
    try:
        return ast.literal_eval(str(representation))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
