"""The baseline: plain Celery with kombu's own transport, and a transaction for each task.

`celery -A benchmarks.baseline worker` runs this app, which shares nothing with Scrip's app.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_process_init

from benchmarks import orm
from worker.database import transaction
from worker.settings import settings

QUEUE = "baseline"

app = Celery("baseline", broker=os.environ.get("REDIS_URL"), backend=os.environ.get("REDIS_URL"))
app.conf.update(task_default_queue=QUEUE, task_acks_late=True)


@worker_process_init.connect
def read_settings(**_: object) -> None:
    """Fail at the start, not with the first message, if the environment is incomplete."""
    settings()


@app.task(name="baseline.noop")
def noop(request: dict[str, Any]) -> None:
    """Do nothing with a request."""


@app.task(name="baseline.redeem")
def redeem(request: dict[str, Any]) -> dict[str, Any]:
    """Redeem a voucher in a transaction, row by row."""
    with transaction() as session:
        return orm.redeem(session, request)


@app.task(name="baseline.apply")
def apply(request: dict[str, Any]) -> dict[str, Any]:
    """Discount an invoice in a transaction, row by row."""
    with transaction() as session:
        return orm.apply(session, request)
