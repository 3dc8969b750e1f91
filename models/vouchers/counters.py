"""The counters of vouchers: redemptions, open holds, and returned places."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Table, Text, Update, Uuid, and_, bindparam, case, update
from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from models.base import Instant, array_parameters, rows_from_arrays
from models.vouchers.row_types import PlacesRow
from models.vouchers.voucher import VOUCHERS

_GRANTED = rows_from_arrays("granted", project=Text(), id=Uuid(), count=BigInteger())


def granting_update(table: Table, *, full: StrEnum) -> Update:
    """Return an UPDATE that adds the granted numbers to the redemptions of vouchers or of codes.

    A row that becomes full is retired with the reason `full`. The parameters are the arrays of `granted`, with the
    columns project, id and count, and `decided_at`.
    """
    total = table.c.redemptions + _GRANTED.c.count
    becomes_full = and_(
        table.c.retired_reason.is_(None), table.c.maximum_redemptions <= total - table.c.places_returned
    )
    return (
        update(table)
        .where(table.c.project == _GRANTED.c.project, table.c.id == _GRANTED.c.id)
        .values(
            redemptions=total,
            retired_reason=case((becomes_full, full.value), else_=table.c.retired_reason),
            retired_at=case((becomes_full, bindparam("decided_at", type_=Instant)), else_=table.c.retired_at),
        )
    )


_COUNT = granting_update(VOUCHERS, full=RetiredReason.MAX_REDEMPTIONS_REACHED)


def count_redemptions(session: Session, *, granted: Iterable[tuple[str, UUID, int]], decided_at: datetime) -> None:
    """Add the number of redemptions that a batch granted to each locked voucher, and retire vouchers that are full."""
    parameters = array_parameters("granted", ("project", "id", "count"), granted)
    session.execute(_COUNT, {**parameters, "decided_at": decided_at})


_MATCHED = rows_from_arrays("matched", project=Text(), id=Uuid(), count=BigInteger())
_COUNT_MATCHED = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _MATCHED.c.project, VOUCHERS.c.id == _MATCHED.c.id)
    .values(imported_matched=VOUCHERS.c.imported_matched + _MATCHED.c.count)
)


def count_matched(session: Session, *, matched: Iterable[tuple[str, UUID, int]]) -> None:
    """Count discounts that took imported places of locked vouchers."""
    session.execute(_COUNT_MATCHED, array_parameters("matched", ("project", "id", "count"), matched))


_CHANGED = rows_from_arrays("changed", project=Text(), id=Uuid(), count=BigInteger())
_CHANGE_HELD = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _CHANGED.c.project, VOUCHERS.c.id == _CHANGED.c.id)
    .values(held=VOUCHERS.c.held + _CHANGED.c.count)
)


def change_held(session: Session, *, changed: Iterable[tuple[str, UUID, int]]) -> None:
    """Add a number, which may be negative, to the open holds of each locked voucher."""
    session.execute(_CHANGE_HELD, array_parameters("changed", ("project", "id", "count"), changed))


_PLACES = rows_from_arrays("places", project=Text(), id=Uuid(), count=BigInteger(), reason=Text(), at=Instant)
_COUNT_RETURNED = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _PLACES.c.project, VOUCHERS.c.id == _PLACES.c.id)
    .values(
        places_returned=VOUCHERS.c.places_returned + _PLACES.c.count,
        retired_reason=_PLACES.c.reason,
        # If the reason stays the same, so does the time of retirement.
        retired_at=case(
            (VOUCHERS.c.retired_reason.is_not_distinct_from(_PLACES.c.reason), VOUCHERS.c.retired_at),
            else_=_PLACES.c.at,
        ),
    )
)


def count_returned(session: Session, *, places: Iterable[Mapping[str, Any]]) -> None:
    """Count the returned places of locked vouchers, and set why and since when each voucher is retired, if it is.

    Each item has `project`, `id`, `count`, `reason` and `at`; the last two are None if the voucher is available.
    """
    columns = ("project", "id", "count", "reason", "at")
    session.execute(_COUNT_RETURNED, array_parameters("places", columns, map(itemgetter(*columns), places)))


def places_taken(row: PlacesRow) -> int:
    """Return how many places of a voucher or of a code are taken. Returned places are not."""
    return row.redemptions - row.places_returned
