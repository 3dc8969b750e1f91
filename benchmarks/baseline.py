"""What Scrip is compared with: Celery as it comes, with kombu's own transport, and a transaction for each task.

`celery -A benchmarks.baseline worker` runs it. It does not use Scrip's app.
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
    """This function will complain at the start, not with the first message, where the environment is not complete."""
    settings()


@app.task(name="baseline.noop")
def noop(request: dict[str, Any]) -> None:
    """This task will do nothing with a request that it was sent."""


@app.task(name="baseline.redeem")
def redeem(request: dict[str, Any]) -> dict[str, Any]:
    """This task will redeem a voucher in a transaction of its own, row by row."""
    with transaction() as session:
        return orm.redeem(session, request)


@app.task(name="baseline.apply")
def apply(request: dict[str, Any]) -> dict[str, Any]:
    """This task will discount an invoice in a transaction of its own, row by row."""
    with transaction() as session:
        return orm.apply(session, request)
