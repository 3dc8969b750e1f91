"""A billing system in a process of its own: Celery, the broker's URL, and none of Scrip's modules.

It reads `[task, request]` from each line of its input and writes what came back.
"""

import json
import os
import sys

from celery import Celery

ANSWER_SECONDS_MAX = 60
SCRIPS_MODULES = {"domain", "models", "tasks", "worker"}

app = Celery("billing-system", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
app.conf.task_routes = {
    "redemptions.*": {"queue": "redemptions"},
    "billing.*": {"queue": "billing"},
    "expiry.*": {"queue": "sweeps"},
    "*": {"queue": "admin"},
}

for line in sys.stdin:
    task, request = json.loads(line)
    answer = app.send_task(task, kwargs={"request": request}).get(timeout=ANSWER_SECONDS_MAX, propagate=False)
    if isinstance(answer, Exception):
        answer = {"error": type(answer).__name__, "details": answer.args}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()

sys.exit(not SCRIPS_MODULES.isdisjoint(sys.modules))
