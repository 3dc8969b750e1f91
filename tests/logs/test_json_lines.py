"""A record of the log as a line of JSON, and the line of a batch as text and as JSON."""

import json
import logging
import sys
from collections import Counter
from typing import Any

import pytest
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from tests.documents.blocks import blocks
from worker.intake.counted_outcomes import BatchOutcomes
from worker.intake.logged_batch import log_batch
from worker.logs.json_lines import JsonLines, rfc3339, with_fields
from worker.logs.single_messages import CHATTY, LOGGERS, QUOTING, lower_single_messages


def line_of(message: object, *arguments: object, **options: Any) -> dict[str, Any]:
    """Return the object of a record that a call of a logger makes."""
    record = logging.getLogger("tests").makeRecord(
        "tests", logging.INFO, "", 0, message, arguments, options.get("exc_info"), extra=options.get("extra")
    )
    text = JsonLines(program="beat").format(record)
    assert "\n" not in text
    assert text.isascii()
    line: dict[str, Any] = json.loads(text)
    return line


def test_a_line_has_the_fields_of_its_event_and_no_other_attribute() -> None:
    """Celery's records have the ids of requests in an attribute of their own."""
    extra = with_fields(event="batch", messages=7) | {"data": {"kwargs": "HUSH"}}
    line = line_of("Task %s[%s]\nreceived \ud800 é", "a", 7, extra=extra)
    assert line["message"] == "Task a[7]\nreceived \ud800 é"
    assert (line["event"], line["messages"], line["program"], line["level"]) == ("batch", 7, "beat", "INFO")
    assert "HUSH" not in json.dumps(line)


def test_an_exception_is_a_field() -> None:
    """With its traceback."""
    try:
        1 / 0  # noqa: B018 - raises
    except ZeroDivisionError:
        line = line_of("failed", exc_info=sys.exc_info())
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_an_instant_is_in_utc_with_milliseconds() -> None:
    """Also if the milliseconds are 0."""
    assert [rfc3339(0), rfc3339(1_796_025_600.1254)] == ["1970-01-01T00:00:00.000Z", "2026-11-30T08:00:00.125Z"]


def test_the_line_of_a_batch_is_readable_and_has_its_counts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    """Outcomes and reasons add up, those that are tried again included."""
    caplog.set_level(logging.INFO)
    shown = Counter({"accepted": 50, "refused max_redemptions_reached": 9, "accepted 2, invalid 1": 1})
    outcomes = BatchOutcomes(shown, Counter({"InvalidRequest": 2}), Counter({"lock_timeout": 3}), Counter())
    log_batch("redemptions.redeem", outcomes, seconds=0.0314159, attempt=2)
    (record,) = caplog.records
    assert record.getMessage() == (
        "redemptions.redeem: 65 messages in 0.031 s, attempt 2: accepted 52, failed InvalidRequest 2, invalid 1, "
        "refused max_redemptions_reached 9, retried lock_timeout 3"
    )
    line = json.loads(JsonLines(program="worker").format(record))
    assert line["outcomes"] == {"accepted": 52, "refused": 9, "failed": 2, "invalid": 1, "retried": 3}
    assert line["reasons"] == {"max_redemptions_reached": 9, "InvalidRequest": 2, "lock_timeout": 3}
    assert (line["messages"], line["seconds"], line["attempt"]) == (65, 0.031416, 2)


def test_the_pages_line_is_that_of_a_batch(caplog: pytest.LogCaptureFixture) -> None:
    """The example of docs/logs.md has the same fields in the same order, and the same message."""
    caplog.set_level(logging.INFO)
    outcomes = BatchOutcomes(Counter({"accepted": 50, "refused already_applied": 12}), Counter(), Counter(), Counter())
    log_batch("redemptions.redeem", outcomes, seconds=0.031416, attempt=1)
    line = json.loads(JsonLines(program="redemptions@host").format(caplog.records[0]))
    (example,) = blocks("docs/logs.md", "json")
    expected = json.loads(example)
    assert list(expected) == list(line)
    assert expected == line | {"time": expected["time"], "pid": expected["pid"]}


@pytest.mark.parametrize(
    ("level", "levels"),
    [(logging.INFO, ["WARNING"]), (logging.DEBUG, ["DEBUG", "WARNING"])],
)
def test_lines_about_single_messages_are_at_debug(
    caplog: pytest.LogCaptureFixture, level: int, levels: list[str]
) -> None:
    """Celery writes them at INFO. Its warnings and errors stay. A header that a sender got wrong is never quoted."""
    loggers = [logging.getLogger(name) for name in (*LOGGERS, *CHATTY, QUOTING)]
    before = [(each.level, list(each.filters)) for each in loggers]
    try:
        lower_single_messages(level=level)
        with caplog.at_level(level):
            for each in loggers[: len(LOGGERS)]:
                each.info("Task received")
                each.warning("Hard time limit exceeded")
            chatty = [name for name in CHATTY if logging.getLogger(f"{name}.x").isEnabledFor(logging.INFO)]
            assert ("alembic.runtime.plugins" in chatty) == (level <= logging.DEBUG)
            assert "sqlalchemy.pool" not in chatty
            W3CBaggagePropagator().extract({"baggage": "SECRET"})
        found = [(record.name, record.levelname) for record in caplog.records]
        assert found == [(name, each) for name in LOGGERS for each in levels]
    finally:
        for each, (old_level, filters) in zip(loggers, before, strict=True):
            each.setLevel(old_level)
            each.filters[:] = filters
