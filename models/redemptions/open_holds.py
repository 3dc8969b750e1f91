"""Read the open holds that count when a batch of requests is decided."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Text, Uuid, and_, bindparam, func, literal_column, select, true, union
from sqlalchemy.orm import Session

from models.base import Instant, StoredRow, array_parameters, rows_from_arrays
from models.redemptions.hold import HOLDS, IS_OPEN

_NOW = bindparam("now", type_=Instant)
_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_NEAR = rows_from_arrays("near", project=Text(), voucher_id=Uuid(), customer=Text(), subscription=Text())
# In the words of the index that each of them is to take.
_IS_OPEN_OF_CUSTOMER = and_(HOLDS.c.closed_at.is_(None), HOLDS.c.reason.is_(None))
_IS_NOT_CLOSED = HOLDS.c.closed_at.is_(None)
# A subquery for each key, not a join: whatever the statistics say, it is one look into the index for each.
_LAPSED = (
    select(func.count())
    .where(HOLDS.c.project == _KEYS.c.project, HOLDS.c.voucher_id == _KEYS.c.id)
    .where(_IS_NOT_CLOSED, HOLDS.c.expires_at <= _NOW)
    .correlate(_KEYS)
    .scalar_subquery()
)
_OF_CODE = (
    select(func.count())
    .where(HOLDS.c.project == _KEYS.c.project, HOLDS.c.code_id == _KEYS.c.id)
    .where(_IS_NOT_CLOSED, HOLDS.c.expires_at > _NOW)
    .correlate(_KEYS)
    .scalar_subquery()
)
_LAPSED_OF_EACH, _OF_EACH_CODE = (
    select(each).select_from(_KEYS).order_by(_KEYS.c.position) for each in (_LAPSED, _OF_CODE)
)
_SHOWN = ("project", "request_id", "id", "voucher_id", "code_id", "customer", "subscription", "expires_at", "status")


def _near(is_near: ColumnElement[bool]) -> Select[Any]:
    of_voucher = and_(HOLDS.c.project == _NEAR.c.project, HOLDS.c.voucher_id == _NEAR.c.voucher_id)
    # OFFSET 0 keeps the planner from turning it round: one look into the index for each request.
    holds = (
        select(*(HOLDS.c[name] for name in _SHOWN))
        .where(of_voucher, is_near)
        .offset(literal_column("0"))
        .correlate(_NEAR)
        .lateral("holds_near")
    )
    return select(holds).select_from(_NEAR.join(holds, true()))


_OPEN_NEAR = union(
    _near(and_(HOLDS.c.customer == _NEAR.c.customer, _IS_OPEN_OF_CUSTOMER)),
    _near(and_(HOLDS.c.subscription == _NEAR.c.subscription, IS_OPEN)),
)


def count_lapsed(session: Session, *, keys: Sequence[tuple[str, UUID]], now: datetime) -> Sequence[int]:
    """This function will count the holds of each (project, voucher) that have lapsed and were not swept yet."""
    return (
        session.execute(_LAPSED_OF_EACH, {**array_parameters("keys", ("project", "id"), keys), "now": now})
        .scalars()
        .all()
    )


def count_held_by_code(session: Session, *, keys: Sequence[tuple[str, UUID]], now: datetime) -> Sequence[int]:
    """This function will count what is held by each (project, code)."""
    return (
        session.execute(_OF_EACH_CODE, {**array_parameters("keys", ("project", "id"), keys), "now": now})
        .scalars()
        .all()
    )


def count_places(session: Session, *, voucher: StoredRow, now: datetime) -> int:
    """This function will count what is held of a locked voucher."""
    held: int = voucher.held
    return held and held - count_lapsed(session, keys=[(voucher.project, voucher.id)], now=now)[0]


def find_open_near(session: Session, *, keys: Iterable[tuple[str, UUID, str, str]]) -> Sequence[StoredRow]:
    """This function will return the open holds of each voucher by a customer or for a subscription, oldest first.

    Each key is (project, voucher, customer, subscription). One that has lapsed may not have been swept yet.
    """
    parameters = array_parameters("near", ("project", "voucher_id", "customer", "subscription"), set(keys))
    return sorted(session.execute(_OPEN_NEAR, parameters).all(), key=lambda row: row.id)
