"""The beginning of a process's log. Celery, Flower and Alembic set up their own logs; this changes their format.

Nothing changes unless SCRIP_LOG_FORMAT is `json`, except for the level of lines about single messages.
"""

import logging
import os
import sys
from types import TracebackType
from typing import Any

import celery.apps.beat
import celery.apps.worker
from celery.signals import after_setup_logger, after_setup_task_logger, celeryd_init
from celery.utils.log import get_multiprocessing_logger

from worker.database_settings import LogSettings
from worker.logs.json_lines import JsonLines
from worker.logs.one_line import on_one_line
from worker.logs.single_messages import lower_single_messages, quieten
from worker.settings import settings

logger = logging.getLogger(__name__)


class Log:
    """The log of this process."""

    def __init__(self) -> None:
        """Leave every format as it is."""
        self._formatter: JsonLines | None = None

    def begin(self, program: str, *, values: LogSettings) -> bool:
        """Write JSON lines from now on if the settings ask for them, and return whether they do.

        Python's warnings and an exception that ends the process are lines too. Each line names the program.
        """
        if values.log_format != "json":
            return False
        self._formatter = JsonLines(program=program)
        root = logging.getLogger()
        if not root.handlers:
            root.addHandler(logging.StreamHandler())
            root.setLevel(logging.INFO)
            quieten(level=logging.INFO)
        self.format(root)
        logging.captureWarnings(capture=True)
        sys.excepthook = _log_uncaught
        return True

    def format(self, *loggers: logging.Logger) -> None:
        """Write what the handlers of those loggers write as JSON lines, if the settings ask for them."""
        for handler in (each for one in loggers for each in one.handlers if self._formatter):
            handler.setFormatter(self._formatter)

    def say(self, message: str, stream: Any = sys.__stderr__) -> None:
        """Write a line from a handler of signals, where nothing may wait for a lock."""
        record = logging.makeLogRecord(
            {"msg": message, "name": logger.name, "levelno": logging.INFO, "levelname": "INFO"}
        )
        if self._formatter:
            os.write(stream.fileno(), f"{self._formatter.format(record)}\n".encode())


log = Log()


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    logger.critical("the process ends: %s", kind.__name__, exc_info=(kind, error, traceback))


@celeryd_init.connect(weak=False)
def begin_in_worker(sender: str, instance: Any, **_: object) -> None:
    """Write JSON lines from the start of a worker, without Celery's banner, if the settings ask for them."""
    if log.begin(sender, values=settings()):
        instance.quiet = True
        # Celery writes its lines about signals to the stream itself.
        celery.apps.worker.safe_say = log.say


@after_setup_logger.connect(weak=False)
def format_log(logger: logging.Logger, loglevel: int, **_: object) -> None:
    """Format what Celery has set up, in its workers and in beat."""
    lower_single_messages(level=loglevel)
    bound_lines(logger)
    log.format(logger, get_multiprocessing_logger())


@after_setup_task_logger.connect(weak=False)
def format_task_log(logger: logging.Logger, **_: object) -> None:
    """Format the log that Celery has set up for tasks."""
    bound_lines(logger)
    log.format(logger)


def bound_lines(logger: logging.Logger) -> None:
    """Have each handler of a logger write a record on one line."""
    for handler in logger.handlers:
        handler.addFilter(on_one_line)


class Beat(celery.apps.beat.Beat):
    """Celery's beat, without its banner if its lines are JSON."""

    def __init__(self, **options: Any) -> None:
        """Begin the log before anything is written."""
        if log.begin("beat", values=settings()):
            options["quiet"] = True
        super().__init__(**options)
