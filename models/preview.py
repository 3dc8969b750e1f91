"""What the ledger has in periods that are still to be billed."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Date, Text, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.usage import USAGE_ENTRIES

_KEYS = rows_from_arrays("keys", project=Text(), discount_id=Uuid())
_TAKEN_SINCE = (
    select(
        _KEYS.c.position,
        USAGE_ENTRIES.c.period_start,
        USAGE_ENTRIES.c.currency,
        func.sum(USAGE_ENTRIES.c.amount_minor).cast(BigInteger).label("taken"),
    )
    .join(
        USAGE_ENTRIES,
        and_(USAGE_ENTRIES.c.project == _KEYS.c.project, USAGE_ENTRIES.c.discount_id == _KEYS.c.discount_id),
    )
    .where(USAGE_ENTRIES.c.period_start >= bindparam("since", type_=Date()))
    .group_by(_KEYS.c.position, USAGE_ENTRIES.c.period_start, USAGE_ENTRIES.c.currency)
)


def taken_since(session: Session, *, keys: Sequence[tuple[str, UUID]], since: date) -> list[dict[date, dict[str, int]]]:
    """This function will sum what each (project, discount) took in the periods that start then or later.

    In minor units by currency, by the period's start.
    """
    taken: list[dict[date, dict[str, int]]] = [{} for _ in keys]
    parameters = array_parameters("keys", ("project", "discount_id"), keys)
    for row in session.execute(_TAKEN_SINCE, {**parameters, "since": since}).all():
        taken[row.position - 1].setdefault(row.period_start, {})[row.currency] = row.taken
    return taken
