"""Log lines as JSON, one object a line, if SCRIP_LOG_FORMAT is `json`."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

# The attribute of a record that has the fields of its event.
FIELDS = "scrip_fields"


def with_fields(**fields: object) -> dict[str, dict[str, object]]:
    """Return the argument `extra` of a logging call, with the fields that a JSON line has beside its message."""
    return {FIELDS: fields}


class JsonLines(logging.Formatter):
    """Formats records as JSON.

    A line has the fields that the caller named by `with_fields`, and no other attribute of the record: Celery adds the
    arguments of tasks to its records.
    """

    def __init__(self, *, program: str) -> None:
        """Name the program in each line, such as `redemptions@host` or `beat`."""
        super().__init__()
        self.program = program

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line of JSON. All characters are ASCII, so any stream can take them."""
        return json.dumps({**self._heading(record), **getattr(record, FIELDS, {}), **self._traces(record)}, default=str)

    def _heading(self, record: logging.LogRecord) -> dict[str, Any]:
        return {
            "time": rfc3339(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "program": self.program,
            "process": record.processName,
            "pid": record.process,
        }

    def _traces(self, record: logging.LogRecord) -> dict[str, str]:
        exception = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        traces = {"exception": exception, "stack": record.stack_info}
        return {name: text for name, text in traces.items() if text}


def rfc3339(timestamp: float) -> str:
    """Return an instant in UTC with milliseconds, such as `2026-11-30T09:30:00.125Z`."""
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
