"""Read and count the open holds that matter to a batch of requests."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    text,
    true,
    union,
)
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, Instant, array_parameters, rows_from_arrays
from models.redemptions.hold import HOLDS, IS_OPEN
from models.redemptions.row_types import HeldBesideRow, HeldCountRow, HeldPlaceRow

_NOW = bindparam("now", type_=Instant)
_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_REQUESTS = rows_from_arrays("requests", project=Text(), voucher_id=Uuid(), customer=Text(), subscription=Text())
# The condition of each index, word for word, so that the planner uses the index.
_IS_OPEN_OF_CUSTOMER = and_(HOLDS.c.closed_at.is_(None), HOLDS.c.reason.is_(None))
_IS_NOT_CLOSED = HOLDS.c.closed_at.is_(None)
# A subquery, not a join: whatever the statistics say, one index scan per key.
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
_COLUMNS = ("project", "request_id", "id", "voucher_id", "code_id", "customer", "subscription", "expires_at", "status")


def _open_holds(is_wanted: ColumnElement[bool]) -> Select[Any]:
    of_voucher = and_(HOLDS.c.project == _REQUESTS.c.project, HOLDS.c.voucher_id == _REQUESTS.c.voucher_id)
    # OFFSET 0 keeps the planner from reordering the join: one index scan per request.
    holds = (
        select(*(HOLDS.c[name] for name in _COLUMNS))
        .where(of_voucher, is_wanted)
        .offset(literal_column("0"))
        .correlate(_REQUESTS)
        .lateral("open_holds")
    )
    return select(holds).select_from(_REQUESTS.join(holds, true()))


_OF_CUSTOMER_OR_SUBSCRIPTION = union(
    _open_holds(and_(HOLDS.c.customer == _REQUESTS.c.customer, _IS_OPEN_OF_CUSTOMER)),
    _open_holds(and_(HOLDS.c.subscription == _REQUESTS.c.subscription, IS_OPEN)),
)


# With the conditions of `ix_holds_of_subscription`. The end of a hold is compared outside, so that the planner does not
# read all open holds by the index of their ends. OFFSET 0 keeps it from merging the subqueries: one index scan for each
# subscription, and one for each hold there.
_HELD_ON = text(f"""
    SELECT hold.project, hold.subscription, hold.id, hold.voucher_id, hold.customer, voucher.exclusive
    FROM unnest(CAST(:keys_project AS text[]), CAST(:keys_subscription AS text[])) AS keys (project, subscription)
    CROSS JOIN LATERAL (
        SELECT project, subscription, id, voucher_id, customer, expires_at FROM holds
        WHERE subscription = keys.subscription AND project COLLATE "{LOOK_UP_COLLATION}" = keys.project
              AND status = 'open' AND id <= :highest
        OFFSET 0
    ) AS hold
    CROSS JOIN LATERAL (
        SELECT exclusive FROM vouchers WHERE vouchers.project = hold.project AND vouchers.id = hold.voucher_id OFFSET 0
    ) AS voucher
    WHERE hold.expires_at > :now
""")  # noqa: S608 - our own constant
_HIGHEST = UUID(int=2**128 - 1)


def find_held_on(
    session: Session, *, subscriptions: Iterable[tuple[str, str]], now: datetime
) -> Sequence[HeldBesideRow]:
    """Return the open holds of all vouchers on each (project, subscription), without those that have lapsed.

    Call it after locking the subscriptions, so that no hold is added meanwhile. While a voucher is held, it does not
    become exclusive and does not cease to be.
    """
    parameters = array_parameters("keys", ("project", "subscription"), sorted(set(subscriptions)))
    return session.execute(_HELD_ON, {**parameters, "highest": _HIGHEST, "now": now}).all()


def count_lapsed(session: Session, *, keys: Sequence[tuple[str, UUID]], now: datetime) -> Sequence[int]:
    """Count the holds of each (project, voucher) that have lapsed but were not swept yet. Return them in that order."""
    return (
        session.execute(_LAPSED_OF_EACH, {**array_parameters("keys", ("project", "id"), keys), "now": now})
        .scalars()
        .all()
    )


def count_held_by_code(session: Session, *, keys: Sequence[tuple[str, UUID]], now: datetime) -> Sequence[int]:
    """Count the open holds of each (project, code) that have not lapsed. Return them in that order."""
    return (
        session.execute(_OF_EACH_CODE, {**array_parameters("keys", ("project", "id"), keys), "now": now})
        .scalars()
        .all()
    )


def count_held(session: Session, *, voucher: HeldCountRow, now: datetime) -> int:
    """Count the places of a locked voucher that are held."""
    if not voucher.held:
        return 0
    return voucher.held - count_lapsed(session, keys=[(voucher.project, voucher.id)], now=now)[0]


def find_open_holds(session: Session, *, requests: Iterable[tuple[str, UUID, str, str]]) -> Sequence[HeldPlaceRow]:
    """Return the open holds of each request's voucher by its customer or for its subscription, oldest first.

    Each request is (project, voucher, customer, subscription). A hold may have lapsed without being swept yet.
    """
    parameters = array_parameters("requests", ("project", "voucher_id", "customer", "subscription"), set(requests))
    return sorted(session.execute(_OF_CUSTOMER_OR_SUBSCRIPTION, parameters).all(), key=lambda row: row.id)
