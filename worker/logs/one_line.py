"""Records of the log on one line each, of bounded length: names that came from callers cannot forge lines."""

import logging

from worker.printable import shown

# Our own lines have under a thousand characters, those of Celery that list its tasks some thousands.
LENGTH_MAX = 10_000


def on_one_line(record: logging.LogRecord) -> bool:
    """Escape what is not printable in the message of a record, and cut it. A traceback stays as it is."""
    message = record.getMessage()
    if len(message) > LENGTH_MAX or not message.isprintable():
        record.msg, record.args = shown(message, length_max=LENGTH_MAX), ()
    return True
