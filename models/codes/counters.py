"""The counters of a code's row: redemptions and places given back."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, and_, bindparam, case, text, update
from sqlalchemy.orm import Session

from domain.code import CodeRetiredReason
from models.base import LOOK_UP_COLLATION, Instant, array_parameters, rows_from_arrays
from models.codes.code import CODES

_GRANTED = rows_from_arrays("granted", project=Text(), id=Uuid(), count=BigInteger())
_TOTAL = CODES.c.redemptions + _GRANTED.c.count
_FILLS_UP = and_(CODES.c.retired_reason.is_(None), CODES.c.maximum_redemptions <= _TOTAL - CODES.c.places_returned)
_COUNT = (
    update(CODES)
    .where(CODES.c.project == _GRANTED.c.project, CODES.c.id == _GRANTED.c.id)
    .values(
        redemptions=_TOTAL,
        retired_reason=case((_FILLS_UP, CodeRetiredReason.MAX_REDEMPTIONS_REACHED.value), else_=CODES.c.retired_reason),
        retired_at=case((_FILLS_UP, bindparam("decided_at", type_=Instant)), else_=CODES.c.retired_at),
    )
)


def count_code_redemptions(session: Session, *, granted: Iterable[tuple[str, UUID, int]], decided_at: datetime) -> None:
    """This function will add what a batch granted to each code's count, and retire those that are full now."""
    parameters = array_parameters("granted", ("project", "id", "count"), granted)
    session.execute(_COUNT, {**parameters, "decided_at": decided_at})


# What was full has room again, and its text unless somebody else has taken it; of two with one text it is the newer.
_COUNT_CODES = text(f"""
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
    """This function will count what the codes of locked vouchers got back. One that was full is available again.

    A unique violation means that somebody else has just taken its text.
    """
    session.execute(_COUNT_CODES, array_parameters("places", ("project", "id", "count"), sorted(places)))
