"""The counters of codes: redemptions and returned places."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from domain.code_terms import CodeRetiredReason
from models.base import LOOK_UP_COLLATION, array_parameters
from models.codes.code import CODES
from models.vouchers.counters import granting_update

_COUNT = granting_update(CODES, full=CodeRetiredReason.MAX_REDEMPTIONS_REACHED)


def count_code_redemptions(session: Session, *, granted: Iterable[tuple[str, UUID, int]], decided_at: datetime) -> None:
    """Add the number of redemptions that a batch granted by each code, and retire codes that are full."""
    parameters = array_parameters("granted", ("project", "id", "count"), granted)
    session.execute(_COUNT, {**parameters, "decided_at": decided_at})


# A full code with a returned place is available again, unless another code has taken its text. Of two such codes with
# one text, the newer code becomes available. OFFSET 0 makes the planner look up each code by the primary key.
_COUNT_RETURNED = text(f"""
    UPDATE codes
    SET places_returned = codes.places_returned + returned.count,
        retired_reason = CASE WHEN returned.comes_back THEN NULL ELSE codes.retired_reason END,
        retired_at = CASE WHEN returned.comes_back THEN NULL ELSE codes.retired_at END
    FROM (
        SELECT code.project, code.id, places.count,
               code.retired_reason IS NOT DISTINCT FROM 'maxRedemptionsReached'
               AND 1 = row_number() OVER (
                   PARTITION BY code.project, lower(code.code), code.retired_reason
                   ORDER BY code.created_at DESC, code.id DESC
               )
               AND NOT EXISTS (
                   SELECT FROM codes holder
                   WHERE holder.project COLLATE "{LOOK_UP_COLLATION}" = code.project
                         AND lower(holder.code) = lower(code.code) AND holder.retired_reason IS NULL
               ) AS comes_back
        FROM unnest(
            CAST(:places_project AS text[]), CAST(:places_id AS uuid[]), CAST(:places_count AS bigint[])
        ) AS places (project, id, count)
        CROSS JOIN LATERAL (
            SELECT project, id, code, created_at, retired_reason FROM codes
            WHERE project = places.project AND id = places.id
            OFFSET 0
        ) AS code
    ) AS returned
    WHERE codes.project = returned.project AND codes.id = returned.id
""")  # noqa: S608 - put together from the constant above


def count_returned_to_codes(session: Session, *, places: Iterable[tuple[str, UUID, int]]) -> None:
    """Count the returned places of codes whose vouchers are locked, and make full codes available again.

    A unique violation means that another transaction has just taken the text of a code.
    """
    session.execute(_COUNT_RETURNED, array_parameters("places", ("project", "id", "count"), sorted(places)))
