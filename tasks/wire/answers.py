"""How an answer shows instants, days, percentages and ids."""

from datetime import UTC, date, datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from domain.eligibility import Refusal
from models.base import StoredRow
from tasks.wire.fields import type_id

Answer = dict[str, Any]
BASIS_POINTS_PER_PERCENT = 100
# A row of the table, or the values that are about to become one.
AsStored = StoredRow | SimpleNamespace


# A batch has few different ones.
@lru_cache(maxsize=64)
def instant(value: datetime | None) -> str | None:
    """This function will return an instant in UTC, with `Z`."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """This function will return a calendar date."""
    return None if value is None else value.isoformat()


def identity(prefix: str, value: UUID | None) -> str | None:
    """This function will return an id as a TypeID."""
    return None if value is None else type_id(prefix, value)


def percentage(basis_points: int | None) -> int | float | None:
    """This function will return basis points as a percentage with at most two decimals."""
    if basis_points is None:
        return None
    whole, hundredths = divmod(basis_points, BASIS_POINTS_PER_PERCENT)
    return basis_points / BASIS_POINTS_PER_PERCENT if hundredths else whole


def conflict_answer(name: str, *, project: str, request_id: str | None) -> Answer:
    """This function will refuse a request whose id, or whose task's, was used with another body. It changes nothing."""
    return {
        "object": name,
        "project": project,
        "requestId": request_id,
        "outcome": "refused",
        "reason": Refusal.IDEMPOTENCY_CONFLICT.value,
    }
