"""End discounts, and find everything that a subscription was granted."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Text, Uuid, bindparam, select, update
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, Instant, StoredRow, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS, DiscountStatus

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_END = (
    update(DISCOUNTS)
    .where(DISCOUNTS.c.project == _KEYS.c.project, DISCOUNTS.c.id == _KEYS.c.id)
    .values(status=DiscountStatus.ENDED.value, ended_at=bindparam("ended_at", type_=Instant))
)


def find_granted(session: Session, *, project: str, subscription: str) -> Sequence[StoredRow]:
    """This function will return the identities, vouchers and states of all that a subscription was granted."""
    columns = DISCOUNTS.c
    return session.execute(
        select(columns.id, columns.voucher_id, columns.status, columns.cycles).where(
            columns.project.collate(LOOK_UP_COLLATION) == project, columns.subscription == subscription
        )
    ).all()


def end_discounts(session: Session, *, keys: Iterable[tuple[str, UUID]], at: datetime) -> None:
    """This function will end locked discounts that were not ended before."""
    session.execute(_END, {**array_parameters("keys", ("project", "id"), set(keys)), "ended_at": at})
