"""Find every move and extension of discounts. Answers about a discount show its latest changes only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# OFFSET 0 keeps the planner from reordering the join: one index scan per discount.
_MOVES = text("""
    SELECT move.* FROM unnest(CAST(:ids AS uuid[])) AS listed (id)
    CROSS JOIN LATERAL (
        SELECT discount_id, number, kind, from_subscription, to_subscription, created_at FROM discount_changes
        WHERE project = :project AND discount_id = listed.id OFFSET 0
    ) AS move
    WHERE move.kind = 'moved' ORDER BY move.number
""")
_EXTENSIONS = text("""
    SELECT extension.discount_id, extension.created_at FROM unnest(CAST(:ids AS uuid[])) AS listed (id)
    CROSS JOIN LATERAL (
        SELECT discount_id, number, kind, created_at FROM discount_changes
        WHERE project = :project AND discount_id = listed.id OFFSET 0
    ) AS extension
    WHERE extension.kind = 'extended' ORDER BY extension.number
""")


class MoveRow(Protocol):
    """A move of a discount from a subscription to another."""

    discount_id: UUID
    from_subscription: str
    to_subscription: str
    created_at: datetime


class ExtensionRow(Protocol):
    """An extension of a discount."""

    discount_id: UUID
    created_at: datetime


def find_moves(session: Session, *, project: str, discounts: Sequence[UUID]) -> list[MoveRow]:
    """Return the moves of each discount, in the order of time."""
    return list(session.execute(_MOVES, {"project": project, "ids": list(discounts)}).all())


def find_extensions(session: Session, *, project: str, discounts: Sequence[UUID]) -> list[ExtensionRow]:
    """Return the extensions of each discount, in the order of time."""
    return list(session.execute(_EXTENSIONS, {"project": project, "ids": list(discounts)}).all())
