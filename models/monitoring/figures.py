"""Figures of the whole database for monitoring. No query reads more than 100,000 entries of an index."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

# More than this are counted as this many.
COUNT_MAX = 100_000


class FiguresRow(Protocol):
    """The figures. An age is in seconds, by the database's clock, and null if there is nothing that could have one."""

    dead_letters: int
    holds_open: int
    # Of the oldest hold that is due and not lapsed yet.
    hold_overdue_age: float | None
    # Since the last sweep ended.
    sweep_age: float | None
    beat_tick_age: float | None
    # Of the oldest statement that waits for a lock.
    lock_wait_age: float | None
    # In the whole database since its statistics began.
    deadlocks: int


class SessionsRow(Protocol):
    """The number of sessions of this user on this database in a state."""

    state: str
    sessions: int


_SESSIONS = """
    pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND backend_type = 'client backend'
          AND pid <> pg_backend_pid()
"""
# The partial index `ix_holds_due` has the open holds by their end.
_FIGURES = text(
    f"""
    SELECT
        (SELECT count(*) FROM (SELECT 1 FROM dead_letters LIMIT :count_max) AS counted) AS dead_letters,
        (SELECT count(*) FROM (SELECT 1 FROM holds WHERE status = 'open' LIMIT :count_max) AS counted) AS holds_open,
        (
            SELECT extract(epoch FROM now.instant - expires_at)::float8 FROM holds
            WHERE status = 'open' AND expires_at <= now.instant ORDER BY expires_at LIMIT 1
        ) AS hold_overdue_age,
        (
            SELECT extract(epoch FROM now.instant - ended_at)::float8 FROM sweeps
            WHERE project = '' AND ended_at IS NOT NULL ORDER BY id DESC LIMIT 1
        ) AS sweep_age,
        (
            SELECT extract(epoch FROM now.instant - ticked_at)::float8 FROM beat_ticks WHERE project = ''
        ) AS beat_tick_age,
        (
            SELECT extract(epoch FROM max(now.instant - query_start))::float8 FROM {_SESSIONS}
                AND wait_event_type = 'Lock'
        ) AS lock_wait_age,
        (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS deadlocks
    FROM (SELECT clock_timestamp() AS instant OFFSET 0) AS now
"""  # noqa: S608 - our own names
).bindparams(bindparam("count_max", COUNT_MAX))
_SESSIONS_BY_STATE = text(
    f"""
    SELECT CASE wait_event_type WHEN 'Lock' THEN 'waiting for a lock' ELSE coalesce(state, 'unknown') END AS state,
           count(*) AS sessions
    FROM {_SESSIONS}
    GROUP BY 1 ORDER BY 1
"""  # noqa: S608 - our own names
)


def read_figures(session: Session) -> FiguresRow:
    """Return the figures of the whole database."""
    return session.execute(_FIGURES).one()


def count_sessions(session: Session) -> Sequence[SessionsRow]:
    """Return the number of other sessions of this user on this database in each state."""
    return session.execute(_SESSIONS_BY_STATE).all()


def limit_statements(session: Session, *, seconds: int) -> None:
    """Let the server cancel each statement of the transaction after that time."""
    session.execute(text("SELECT set_config('statement_timeout', :seconds, true)"), {"seconds": f"{seconds}s"})
