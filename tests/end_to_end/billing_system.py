"""A billing system: a program with Celery and the broker's URL, but without Scrip's modules.

Reads `[task, request]` from each line of its input, and writes the answer or the error as a line of JSON. Exits with 1
if a module of Scrip was imported.
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
    "audit.*": {"queue": "sweeps"},
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
