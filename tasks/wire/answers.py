"""The values in an answer: instants, days, percentages and ids."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from domain.eligibility import Refusal
from tasks.wire.fields import type_id

Answer = dict[str, Any]
MILLIONTHS_PER_PERCENT = 10_000


# The answers of a batch share few instants.
@lru_cache(maxsize=64)
def instant(value: datetime | None) -> str | None:
    """Return an instant in UTC, in RFC 3339 with `Z`."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """Return a calendar date in ISO 8601."""
    return None if value is None else value.isoformat()


def identity(prefix: str, value: UUID | None) -> str | None:
    """Return an id as a TypeID, or None."""
    return None if value is None else type_id(prefix, value)


def percentage(millionths: int | None) -> int | float | None:
    """Return millionths as a percentage with at most four decimals, which is not money and may be a float."""
    if millionths is None:
        return None
    whole, rest = divmod(millionths, MILLIONTHS_PER_PERCENT)
    return millionths / MILLIONTHS_PER_PERCENT if rest else whole


def conflict_answer(name: str, *, project: str, request_id: str | None) -> Answer:
    """Return the refusal of a request if its id, or the id of its task, was used with another body."""
    return {
        "object": name,
        "project": project,
        "requestId": request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
    }
