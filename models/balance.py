"""Balances: fixed amounts that carry over from one invoice to the next. What is left is summed from the ledger."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, and_, func, select
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.usage import USAGE_ENTRIES

_BALANCES = rows_from_arrays("balances", project=Text(), discount_id=Uuid())
_TAKEN = (
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
    for row in session.execute(_TAKEN, array_parameters("balances", ("project", "discount_id"), keys)).all():
        taken[row.position - 1][row.currency] = row.taken
    return taken
