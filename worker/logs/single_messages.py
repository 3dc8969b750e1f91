"""Celery's lines about single messages, which are logged at DEBUG: a batch has one line for all of its messages."""

import logging

# The loggers in which Celery tells that a message was received, revoked, succeeded, or failed as its caller may expect.
LOGGERS = ("celery.worker.strategy", "celery.worker.request", "celery.app.trace")
# Their lines at INFO tell of connections that a process gives up on purpose, and of what Alembic has loaded.
CHATTY = ("sqlalchemy.pool", "alembic.runtime.plugins")
# Its lines quote a sender's header that it cannot read.
QUOTING = "opentelemetry.baggage.propagation"


def lower_single_messages(*, level: int) -> None:
    """Log at DEBUG what Celery logs of single messages at INFO. `level` is that of the log. Warnings stay."""
    for logger in map(logging.getLogger, LOGGERS):
        # Below DEBUG, Celery does not even write the lines.
        logger.setLevel(logging.NOTSET if level <= logging.DEBUG else logging.WARNING)
        logger.addFilter(as_debug)
    quieten(level=level)


def quieten(*, level: int) -> None:
    """Leave out the lines of libraries that tell an operator nothing, unless the log's level is DEBUG.

    Lines that quote a sender are left out at every level.
    """
    logging.getLogger(QUOTING).setLevel(logging.CRITICAL)
    for logger in map(logging.getLogger, CHATTY):
        logger.setLevel(logging.NOTSET if level <= logging.DEBUG else logging.WARNING)


def as_debug(record: logging.LogRecord) -> bool:
    """Give a record of level INFO the level DEBUG."""
    if record.levelno == logging.INFO:
        record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    return True
