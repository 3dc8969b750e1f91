"""The counters of a voucher's row: redemptions, open holds, places given back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import itemgetter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, and_, bindparam, case, update
from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from models.base import Instant, StoredRow, array_parameters, rows_from_arrays
from models.vouchers.voucher import VOUCHERS

_GRANTED = rows_from_arrays("granted", project=Text(), id=Uuid(), count=BigInteger())
_TOTAL = VOUCHERS.c.redemptions + _GRANTED.c.count
_FILLS_UP = and_(
    VOUCHERS.c.retired_reason.is_(None), VOUCHERS.c.maximum_redemptions <= _TOTAL - VOUCHERS.c.places_returned
)
_COUNT = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _GRANTED.c.project, VOUCHERS.c.id == _GRANTED.c.id)
    .values(
        redemptions=_TOTAL,
        retired_reason=case((_FILLS_UP, RetiredReason.MAX_REDEMPTIONS_REACHED.value), else_=VOUCHERS.c.retired_reason),
        retired_at=case((_FILLS_UP, bindparam("decided_at", type_=Instant)), else_=VOUCHERS.c.retired_at),
    )
)


def count_redemptions(session: Session, *, granted: Iterable[tuple[str, UUID, int]], decided_at: datetime) -> None:
    """This function will add what a batch granted to each voucher's count, and retire those that are full now."""
    parameters = array_parameters("granted", ("project", "id", "count"), granted)
    session.execute(_COUNT, {**parameters, "decided_at": decided_at})


_CHANGED = rows_from_arrays("changed", project=Text(), id=Uuid(), count=BigInteger())
_CHANGE_HELD = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _CHANGED.c.project, VOUCHERS.c.id == _CHANGED.c.id)
    .values(held=VOUCHERS.c.held + _CHANGED.c.count)
)


def change_held(session: Session, *, changed: Iterable[tuple[str, UUID, int]]) -> None:
    """This function will add to the count of open holds of each locked voucher, or take from it."""
    session.execute(_CHANGE_HELD, array_parameters("changed", ("project", "id", "count"), changed))


_VOUCHERS = rows_from_arrays("places", project=Text(), id=Uuid(), count=BigInteger(), reason=Text(), at=Instant)
_COUNT_VOUCHERS = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _VOUCHERS.c.project, VOUCHERS.c.id == _VOUCHERS.c.id)
    .values(
        places_returned=VOUCHERS.c.places_returned + _VOUCHERS.c.count,
        retired_reason=_VOUCHERS.c.reason,
        # The first reason stays as long as it is true.
        retired_at=case(
            (VOUCHERS.c.retired_reason.is_not_distinct_from(_VOUCHERS.c.reason), VOUCHERS.c.retired_at),
            else_=_VOUCHERS.c.at,
        ),
    )
)


def count_returned(session: Session, *, places: Iterable[Mapping[str, Any]]) -> None:
    """This function will count what locked vouchers got back, and store why they are retired, or that they are not."""
    columns = ("project", "id", "count", "reason", "at")
    session.execute(_COUNT_VOUCHERS, array_parameters("places", columns, map(itemgetter(*columns), places)))


def places_taken(row: StoredRow | SimpleNamespace) -> int:
    """This function will return how many places of a voucher, or of a code, are taken: those given back are not."""
    taken: int = row.redemptions - row.places_returned
    return taken
