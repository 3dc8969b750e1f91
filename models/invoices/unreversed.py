"""What reversals leave of each discount: what was taken back of it, and the entries that stand."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Text, Uuid, and_, func, literal_column, select, text, true
from sqlalchemy.orm import Session

from models.base import StoredRow, array_parameters, rows_from_arrays
from models.discounts.locks import DiscountKey
from models.invoices.ledger import USAGE_ENTRIES
from models.invoices.reversal import USAGE_REVERSALS

_DISCOUNTS = rows_from_arrays("discounts_of", project=Text(), discount_id=Uuid())

_GIVEN_BACK = and_(
    USAGE_REVERSALS.c.project == USAGE_ENTRIES.c.project,
    USAGE_REVERSALS.c.discount_id == USAGE_ENTRIES.c.discount_id,
    USAGE_REVERSALS.c.invoice == USAGE_ENTRIES.c.invoice,
    USAGE_REVERSALS.c.reason != text("'refunded'"),
)
_IS_GIVEN_BACK = select(USAGE_REVERSALS.c.id).where(_GIVEN_BACK).correlate(USAGE_ENTRIES).exists()
# OFFSET 0 keeps the planner from turning these round: one look into the index for each discount.
_ENTRIES_OF_EACH = (
    select(USAGE_ENTRIES)
    .where(USAGE_ENTRIES.c.project == _DISCOUNTS.c.project, USAGE_ENTRIES.c.discount_id == _DISCOUNTS.c.discount_id)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
)
_UNREVERSED_OF_EACH = _ENTRIES_OF_EACH.where(~_IS_GIVEN_BACK).lateral("standing")
_UNREVERSED = (
    select(_DISCOUNTS.c.position, *_UNREVERSED_OF_EACH.c)
    .select_from(_DISCOUNTS.join(_UNREVERSED_OF_EACH, true()))
    .order_by(_DISCOUNTS.c.position, _UNREVERSED_OF_EACH.c.created_at, _UNREVERSED_OF_EACH.c.id)
)
_GIVEN_BACK_OF_EACH = (
    select(USAGE_ENTRIES.c.period_start, USAGE_ENTRIES.c.currency, USAGE_ENTRIES.c.amount_minor)
    .join_from(USAGE_REVERSALS, USAGE_ENTRIES, _GIVEN_BACK)
    .where(USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, USAGE_REVERSALS.c.discount_id == _DISCOUNTS.c.discount_id)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
    .lateral("sum_given_back")
)
_TAKEN_BACK = (
    select(
        _DISCOUNTS.c.position,
        _GIVEN_BACK_OF_EACH.c.period_start,
        _GIVEN_BACK_OF_EACH.c.currency,
        func.sum(_GIVEN_BACK_OF_EACH.c.amount_minor).cast(BigInteger).label("amount_minor"),
    )
    .select_from(_DISCOUNTS.join(_GIVEN_BACK_OF_EACH, true()))
    .group_by(_DISCOUNTS.c.position, _GIVEN_BACK_OF_EACH.c.period_start, _GIVEN_BACK_OF_EACH.c.currency)
)
_REVERSALS_OF_EACH = (
    select(USAGE_REVERSALS)
    .where(USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, USAGE_REVERSALS.c.discount_id == _DISCOUNTS.c.discount_id)
    .offset(literal_column("0"))
    .correlate(_DISCOUNTS)
    .lateral("reversals")
)
_REVERSALS = (
    select(_REVERSALS_OF_EACH)
    .select_from(_DISCOUNTS.join(_REVERSALS_OF_EACH, true()))
    .order_by(_REVERSALS_OF_EACH.c.created_at, _REVERSALS_OF_EACH.c.id)
)

# What was given back: minor units by the period's start and the currency.
AmountsGivenBack = dict[tuple[date, str], int]


def unreversed_entries(session: Session, *, keys: Sequence[DiscountKey]) -> list[list[StoredRow]]:
    """This function will return the entries of each discount that were not given back, in the order applied."""
    found: list[list[StoredRow]] = [[] for _ in keys]
    for row in session.execute(_UNREVERSED, _of(keys)).all():
        found[row.position - 1].append(row)
    return found


def sum_given_back(session: Session, *, keys: Sequence[DiscountKey]) -> list[AmountsGivenBack]:
    """This function will sum what was given back to each discount. Take it after the discounts' locks."""
    found: list[AmountsGivenBack] = [{} for _ in keys]
    for row in session.execute(_TAKEN_BACK, _of(keys)).all():
        found[row.position - 1][row.period_start, row.currency] = row.amount_minor
    return found


def reversals_of(session: Session, *, project: str, discounts: Iterable[UUID]) -> list[StoredRow]:
    """This function will return the entries that take back what those discounts took, oldest first."""
    keys = [(project, each) for each in discounts]
    return list(session.execute(_REVERSALS, _of(keys)).all())


def _of(keys: Sequence[DiscountKey]) -> dict[str, list[Any]]:
    return array_parameters("discounts_of", ("project", "discount_id"), keys)
