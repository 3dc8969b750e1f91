"""Flower's configuration file, which Flower executes: `celery -A tasks flower --conf=worker/flower.py`.

The file takes precedence over Flower's own environment variables, so the ones that we support are read here.
"""

import os

from worker.logs.beginning import log
from worker.monitoring.installation import install
from worker.settings import log_settings

credentials = os.environ.get("FLOWER_BASIC_AUTH", "").split(",")
if not all(user and password for user, _, password in (each.partition(":") for each in credentials)):
    raise SystemExit("scrip: Flower does not start without a password: set FLOWER_BASIC_AUTH=user:password")

# Without an address, Flower listens on every interface.
address = os.environ.get("FLOWER_ADDRESS") or "127.0.0.1"
port = int(os.environ.get("FLOWER_PORT") or 5555)
# The routes that change something are closed. This takes their buttons from the pages.
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
