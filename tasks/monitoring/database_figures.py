"""Read the metrics that the database knows."""

from collections.abc import Iterator

from models.monitoring.figures import FiguresRow, count_sessions, limit_statements, read_figures
from models.monitoring.recorded_audit import read_audit_figures
from models.redemptions.failed_attempts import sum_attempts
from tasks.redemptions.attempts import window
from worker.database import transaction
from worker.metrics.definitions import (
    AUDIT_AGE,
    AUDIT_VIOLATIONS,
    BEAT_TICK_AGE,
    DEAD_LETTERS,
    DEADLOCKS,
    HOLD_OVERDUE_AGE,
    HOLDS_OPEN,
    LOCK_WAIT_AGE,
    SESSIONS,
    SWEEP_AGE,
    UNKNOWN_CODES,
    Reading,
)

# All statements together take a few milliseconds.
STATEMENT_SECONDS_MAX = 2
# Those that have tried most unknown codes.
PROJECTS_MAX = 20


def read_database() -> list[Reading]:
    """Return the metrics from the database. Raises the driver's error if it cannot be reached or is too slow."""
    with transaction() as session:
        limit_statements(session, seconds=STATEMENT_SECONDS_MAX)
        figures, sessions, audits = read_figures(session), count_sessions(session), read_audit_figures(session)
        attempts = sum_attempts(session, window=window(), limit=PROJECTS_MAX)
    return [
        *_readings(figures),
        *(Reading(AUDIT_AGE, each.age, (each.kind,)) for each in audits),
        *(Reading(AUDIT_VIOLATIONS, each.violations, (each.kind,)) for each in audits),
        *(Reading(UNKNOWN_CODES, each.attempts, (each.project,)) for each in attempts),
        *(Reading(SESSIONS, each.sessions, (each.state,)) for each in sessions),
    ]


def _readings(figures: FiguresRow) -> Iterator[Reading]:
    yield Reading(DEAD_LETTERS, figures.dead_letters)
    yield Reading(HOLDS_OPEN, figures.holds_open)
    yield Reading(HOLD_OVERDUE_AGE, figures.hold_overdue_age or 0)
    yield Reading(LOCK_WAIT_AGE, figures.lock_wait_age or 0)
    yield Reading(DEADLOCKS, figures.deadlocks)
    if figures.sweep_age is not None:
        yield Reading(SWEEP_AGE, figures.sweep_age)
    if figures.beat_tick_age is not None:
        yield Reading(BEAT_TICK_AGE, figures.beat_tick_age)
