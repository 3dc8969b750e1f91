"""Instants relative to now, as callers send them."""

from datetime import UTC, datetime, timedelta


def in_minutes(minutes: float) -> str:
    """Return the instant that many minutes from now."""
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
