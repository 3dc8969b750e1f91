"""The Celery app of the sample checkout: a worker that a test can kill."""

import os

from celery import Celery

app = Celery("sample", broker=os.environ["REDIS_URL"])
