"""Sum the amounts that discounts took, from the ledger: in a period, since a day, or in all."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import BigInteger, Date, Text, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.invoices.ledger import USAGE_ENTRIES

_PERIODS = rows_from_arrays("periods", project=Text(), discount_id=Uuid(), period_start=Date())
_SUM = func.sum(USAGE_ENTRIES.c.amount_minor).cast(BigInteger).label("taken")
_TAKEN_IN_PERIODS = (
    select(_PERIODS.c.position, USAGE_ENTRIES.c.currency, _SUM)
    .join(
        USAGE_ENTRIES,
        and_(
            USAGE_ENTRIES.c.project == _PERIODS.c.project,
            USAGE_ENTRIES.c.discount_id == _PERIODS.c.discount_id,
            USAGE_ENTRIES.c.period_start == _PERIODS.c.period_start,
        ),
    )
    .group_by(_PERIODS.c.position, USAGE_ENTRIES.c.currency)
)
# A discount in a period: (project, discount, the period's start).
PeriodKey = tuple[str, UUID, date]


def taken_in_periods(session: Session, *, keys: Sequence[PeriodKey]) -> list[dict[str, int]]:
    """This function will sum what was taken already in each of the periods, in minor units by currency.

    Take it in a statement of its own after the discounts' locks.
    """
    parameters = array_parameters("periods", ("project", "discount_id", "period_start"), keys)
    taken: list[dict[str, int]] = [{} for _ in keys]
    for row in session.execute(_TAKEN_IN_PERIODS, parameters).all():
        taken[row.position - 1][row.currency] = row.taken
    return taken


_BALANCES = rows_from_arrays("balances", project=Text(), discount_id=Uuid())
_TAKEN_IN_ALL = (
    select(
        _BALANCES.c.position,
        USAGE_ENTRIES.c.currency,
        func.sum(USAGE_ENTRIES.c.amount_minor).cast(BigInteger).label("taken"),
    )
    .join(
        USAGE_ENTRIES,
        and_(USAGE_ENTRIES.c.project == _BALANCES.c.project, USAGE_ENTRIES.c.discount_id == _BALANCES.c.discount_id),
    )
    .group_by(_BALANCES.c.position, USAGE_ENTRIES.c.currency)
)


def taken_in_all(session: Session, *, keys: Sequence[tuple[str, UUID]]) -> list[dict[str, int]]:
    """This function will sum what each (project, discount) has taken so far, in minor units by currency.

    Take it in a statement of its own after the discounts' locks.
    """
    taken: list[dict[str, int]] = [{} for _ in keys]
    for row in session.execute(_TAKEN_IN_ALL, array_parameters("balances", ("project", "discount_id"), keys)).all():
        taken[row.position - 1][row.currency] = row.taken
    return taken


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
