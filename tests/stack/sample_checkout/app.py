"""The Celery app of the small house: a worker that a test can kill."""

import os

from celery import Celery

app = Celery("house", broker=os.environ["REDIS_URL"])
