"""Find the ledger entries of discounts that reversals gave back, the entries that remain, and what is credited of them.

Every reversal but a refund or a credit gives an entry back. A refunded or credited entry remains.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Select, Text, Uuid, and_, func, literal_column, null, select, text, true
from sqlalchemy.orm import Session

from models.base import array_parameters, rows_from_arrays
from models.discounts.locks import DiscountKey
from models.invoices.ledger import USAGE_ENTRIES
from models.invoices.reversal import USAGE_REVERSALS
from models.invoices.row_types import EntryRow
from models.reversal_kinds import GIVES_BACK

_DISCOUNTS = rows_from_arrays("discounts_of", project=Text(), discount_id=Uuid())

_GIVES_ENTRY_BACK = and_(
    USAGE_REVERSALS.c.project == USAGE_ENTRIES.c.project,
    USAGE_REVERSALS.c.discount_id == USAGE_ENTRIES.c.discount_id,
    USAGE_REVERSALS.c.invoice == USAGE_ENTRIES.c.invoice,
    text(f"usage_reversals.{GIVES_BACK}"),
)
IS_GIVEN_BACK = select(USAGE_REVERSALS.c.id).where(_GIVES_ENTRY_BACK).correlate(USAGE_ENTRIES).exists()
# OFFSET 0 keeps the planner from reordering these joins: one index scan per discount.
_REMAINING_OF_EACH = (
    select(USAGE_ENTRIES)
    .where(USAGE_ENTRIES.c.project == _DISCOUNTS.c.project, USAGE_ENTRIES.c.discount_id == _DISCOUNTS.c.discount_id)
    .where(~IS_GIVEN_BACK)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
    .lateral("remaining")
)
_REMAINING = (
    select(_DISCOUNTS.c.position, *_REMAINING_OF_EACH.c)
    .select_from(_DISCOUNTS.join(_REMAINING_OF_EACH, true()))
    .order_by(_DISCOUNTS.c.position, _REMAINING_OF_EACH.c.created_at, _REMAINING_OF_EACH.c.id)
)
_GIVEN_BACK_OF_EACH = (
    select(USAGE_ENTRIES.c.cycle_start, USAGE_ENTRIES.c.currency, USAGE_ENTRIES.c.amount_minor)
    .join_from(USAGE_REVERSALS, USAGE_ENTRIES, _GIVES_ENTRY_BACK)
    .where(USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, USAGE_REVERSALS.c.discount_id == _DISCOUNTS.c.discount_id)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
    .lateral("given_back")
)
_SUM_GIVEN_BACK = (
    select(
        _DISCOUNTS.c.position,
        _GIVEN_BACK_OF_EACH.c.cycle_start,
        _GIVEN_BACK_OF_EACH.c.currency,
        func.sum(_GIVEN_BACK_OF_EACH.c.amount_minor).cast(BigInteger).label("amount_minor"),
    )
    .select_from(_DISCOUNTS.join(_GIVEN_BACK_OF_EACH, true()))
    .group_by(_DISCOUNTS.c.position, _GIVEN_BACK_OF_EACH.c.cycle_start, _GIVEN_BACK_OF_EACH.c.currency)
)
_CREDITED_OF_EACH = (
    select(USAGE_ENTRIES.c.cycle_start, USAGE_REVERSALS.c.currency, USAGE_REVERSALS.c.amount_minor)
    .join_from(
        USAGE_REVERSALS,
        USAGE_ENTRIES,
        and_(
            USAGE_ENTRIES.c.project == USAGE_REVERSALS.c.project,
            USAGE_ENTRIES.c.discount_id == USAGE_REVERSALS.c.discount_id,
            USAGE_ENTRIES.c.invoice == USAGE_REVERSALS.c.invoice,
        ),
    )
    .where(USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, USAGE_REVERSALS.c.discount_id == _DISCOUNTS.c.discount_id)
    .where(USAGE_REVERSALS.c.credited_by.is_not(null()), ~IS_GIVEN_BACK)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
    .lateral("credited")
)
_SUM_CREDITED = (
    select(
        _DISCOUNTS.c.position,
        _CREDITED_OF_EACH.c.cycle_start,
        _CREDITED_OF_EACH.c.currency,
        (-func.sum(_CREDITED_OF_EACH.c.amount_minor)).cast(BigInteger).label("amount_minor"),
    )
    .select_from(_DISCOUNTS.join(_CREDITED_OF_EACH, true()))
    .group_by(_DISCOUNTS.c.position, _CREDITED_OF_EACH.c.cycle_start, _CREDITED_OF_EACH.c.currency)
)

# Minor units by the start of the cycle and the currency.
AmountsGivenBack = dict[tuple[date, str], int]


def remaining_entries(session: Session, *, keys: Sequence[DiscountKey]) -> list[list[EntryRow]]:
    """Return the entries of each discount that were not given back, in the order applied."""
    found: list[list[EntryRow]] = [[] for _ in keys]
    for row in session.execute(_REMAINING, _of(keys)).all():
        found[row.position - 1].append(row)
    return found


def sum_given_back(session: Session, *, keys: Sequence[DiscountKey]) -> list[AmountsGivenBack]:
    """Return the sums of the entries of each discount that were given back. Call it after locking the discounts."""
    return _sums(session, _SUM_GIVEN_BACK, keys=keys)


def sum_credited(session: Session, *, keys: Sequence[DiscountKey]) -> list[AmountsGivenBack]:
    """Return the sums that are credited of each discount's remaining entries. Call it after locking the discounts."""
    return _sums(session, _SUM_CREDITED, keys=keys)


def _sums(
    session: Session, statement: Select[*tuple[Any, ...]], *, keys: Sequence[DiscountKey]
) -> list[AmountsGivenBack]:
    found: list[AmountsGivenBack] = [{} for _ in keys]
    for row in session.execute(statement, _of(keys)).all():
        found[row.position - 1][row.cycle_start, row.currency] = row.amount_minor
    return found


def _of(keys: Sequence[DiscountKey]) -> dict[str, list[Any]]:
    return array_parameters("discounts_of", ("project", "discount_id"), keys)
