"""End discounts, and find all discounts of a subscription."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, select, update
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, Instant, array_parameters, rows_from_arrays
from models.discounts.change import add_ends
from models.discounts.discount import DISCOUNTS, DiscountStatus
from models.discounts.locks import DiscountKey

_ENDED_AT = bindparam("ended_at", type_=Instant)
_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_END = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id)
    .values(status=DiscountStatus.ENDED.value, ended_at=_ENDED_AT, updated_at=_ENDED_AT)
)


class GrantedDiscountRow(Protocol):
    """The ids of a discount and its voucher."""

    id: UUID
    voucher_id: UUID


def find_granted(session: Session, *, project: str, subscription: str) -> Sequence[GrantedDiscountRow]:
    """Return all discounts of a subscription, whatever their status, without a lock."""
    columns = DISCOUNTS.c
    return session.execute(
        select(columns.id, columns.voucher_id).where(
            columns.project.collate(LOOK_UP_COLLATION) == project, columns.subscription == subscription
        )
    ).all()


def end_discounts(session: Session, *, keys: Iterable[DiscountKey], actor: str | None, at: datetime) -> None:
    """End locked discounts that were not ended before, and add the end to their histories."""
    ended = set(keys)
    session.execute(_END, {**array_parameters("keys", ("project", "id"), ended), "ended_at": at})
    add_ends(session, keys=ended, actor=actor, at=at)
