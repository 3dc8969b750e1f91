"""The Celery app with all tasks: `celery -A tasks worker`, `celery -A tasks beat`, `celery -A tasks flower`.

This module imports every module of `tasks`, so a new task needs no entry in any list.
"""

from importlib import import_module  # noqa: TID251 - no list names the modules of tasks
from pkgutil import walk_packages

import tasks
from worker.app import app

__all__ = ["app"]

for _module in walk_packages(tasks.__path__, f"{tasks.__name__}."):
    import_module(_module.name)
