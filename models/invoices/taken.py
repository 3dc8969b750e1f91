"""Sum the amounts that discounts took, from the ledger: in a cycle, since a day, or in total.

The sums of cycles include entries that reversals gave back; `models.invoices.given_back` has the sums of those. The
total is for balances, which get refunds back too, so it has only what reversals have left.
"""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Date,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.discounts.imported import IMPORTED_DISCOUNTS
from models.discounts.locks import DiscountKey
from models.invoices.ledger import USAGE_ENTRIES
from models.invoices.reversal import USAGE_REVERSALS

# The project, the discount and the start of the cycle.
CycleKey = tuple[str, UUID, date]

_TAKEN = func.sum(USAGE_ENTRIES.c.amount_minor).cast(BigInteger).label("taken")
_CYCLES = rows_from_arrays("cycles", project=Text(), discount_id=Uuid(), cycle_start=Date())
_TAKEN_IN_CYCLES = (
    select(_CYCLES.c.position, USAGE_ENTRIES.c.currency, _TAKEN)
    .join(
        USAGE_ENTRIES,
        and_(
            USAGE_ENTRIES.c.project == _CYCLES.c.project,
            USAGE_ENTRIES.c.discount_id == _CYCLES.c.discount_id,
            USAGE_ENTRIES.c.cycle_start == _CYCLES.c.cycle_start,
        ),
    )
    .group_by(_CYCLES.c.position, USAGE_ENTRIES.c.currency)
)
_KEYS = rows_from_arrays("keys", project=Text(), discount_id=Uuid())
_OF_KEYS = and_(USAGE_ENTRIES.c.project == _KEYS.c.project, USAGE_ENTRIES.c.discount_id == _KEYS.c.discount_id)
# Reversals have negative amounts, reversed credits positive ones. OFFSET 0 keeps the planner from reordering the join:
# one index scan per discount.
_TAKEN_ELSEWHERE = func.jsonb_each_text(IMPORTED_DISCOUNTS.c.taken_minor).table_valued("key", "value")
_ENTRIES_AND_REVERSALS = (
    union_all(
        *(
            select(table.c.currency, table.c.amount_minor)
            .where(table.c.project == _KEYS.c.project, table.c.discount_id == _KEYS.c.discount_id)
            .correlate(_KEYS)
            for table in (USAGE_ENTRIES, USAGE_REVERSALS)
        ),
        select(_TAKEN_ELSEWHERE.c.key, cast(_TAKEN_ELSEWHERE.c.value, BigInteger))
        .select_from(IMPORTED_DISCOUNTS.join(_TAKEN_ELSEWHERE, true()))
        .where(IMPORTED_DISCOUNTS.c.project == _KEYS.c.project, IMPORTED_DISCOUNTS.c.discount_id == _KEYS.c.discount_id)
        .correlate(_KEYS),
    )
    .offset(literal_column("0"))
    .lateral("entries_and_reversals")
)
_TAKEN_IN_TOTAL = (
    select(
        _KEYS.c.position,
        _ENTRIES_AND_REVERSALS.c.currency,
        func.sum(_ENTRIES_AND_REVERSALS.c.amount_minor).cast(BigInteger).label("taken"),
    )
    .select_from(_KEYS.join(_ENTRIES_AND_REVERSALS, true()))
    .group_by(_KEYS.c.position, _ENTRIES_AND_REVERSALS.c.currency)
)
_TAKEN_SINCE = (
    select(_KEYS.c.position, USAGE_ENTRIES.c.cycle_start, USAGE_ENTRIES.c.currency, _TAKEN)
    .join(USAGE_ENTRIES, _OF_KEYS)
    .where(USAGE_ENTRIES.c.cycle_start >= bindparam("since", type_=Date()))
    .group_by(_KEYS.c.position, USAGE_ENTRIES.c.cycle_start, USAGE_ENTRIES.c.currency)
)


def taken_in_cycles(session: Session, *, keys: Sequence[CycleKey]) -> list[dict[str, int]]:
    """Return the amount that each discount took in its cycle, in minor units by currency.

    Call it after locking the discounts, so that the statement sees the entries that the lock waited for.
    """
    parameters = array_parameters("cycles", ("project", "discount_id", "cycle_start"), keys)
    taken: list[dict[str, int]] = [{} for _ in keys]
    for row in session.execute(_TAKEN_IN_CYCLES, parameters).all():
        taken[row.position - 1][row.currency] = row.taken
    return taken


def taken_in_total(session: Session, *, keys: Sequence[DiscountKey]) -> list[dict[str, int]]:
    """Return the amount that each discount took in all cycles and kept, in minor units by currency.

    Refunds are subtracted like every other reversal. Amounts that an imported discount took elsewhere are included.
    Call it after locking the discounts, so that the statement sees the entries that the lock waited for.
    """
    taken: list[dict[str, int]] = [{} for _ in keys]
    for row in session.execute(_TAKEN_IN_TOTAL, array_parameters("keys", ("project", "discount_id"), keys)).all():
        taken[row.position - 1][row.currency] = row.taken
    return taken


def taken_since(session: Session, *, keys: Sequence[DiscountKey], since: date) -> list[dict[date, dict[str, int]]]:
    """Return the amount that each discount took in each cycle from `since` on.

    The amounts are minor units, by the start of the cycle and the currency.
    """
    taken: list[dict[date, dict[str, int]]] = [{} for _ in keys]
    parameters = array_parameters("keys", ("project", "discount_id"), keys)
    for row in session.execute(_TAKEN_SINCE, {**parameters, "since": since}).all():
        taken[row.position - 1].setdefault(row.cycle_start, {})[row.currency] = row.taken
    return taken
