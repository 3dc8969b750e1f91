"""Find the billing cycles that discounts have discounted on their subscriptions."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, literal_column, select, true
from sqlalchemy.orm import Session

from domain.recurrence import Period
from models.base import array_parameters, rows_from_arrays
from models.invoices.given_back import IS_GIVEN_BACK
from models.invoices.ledger import INVOICE_DISCOUNTS, USAGE_ENTRIES

_PLACED = rows_from_arrays("placed", project=Text(), discount_id=Uuid(), subscription=Text())
# OFFSET 0 keeps the planner from reordering the join: one index scan per discount.
_CYCLES_OF_EACH = (
    select(USAGE_ENTRIES.c.cycle_start, USAGE_ENTRIES.c.cycle_end)
    .join(
        INVOICE_DISCOUNTS,
        and_(
            INVOICE_DISCOUNTS.c.project == USAGE_ENTRIES.c.project,
            INVOICE_DISCOUNTS.c.invoice == USAGE_ENTRIES.c.invoice,
        ),
    )
    .where(USAGE_ENTRIES.c.project == _PLACED.c.project, USAGE_ENTRIES.c.discount_id == _PLACED.c.discount_id)
    .where(INVOICE_DISCOUNTS.c.subscription == _PLACED.c.subscription, ~IS_GIVEN_BACK)
    .offset(literal_column("0"))
    .correlate(_PLACED)
    .lateral("cycles_of_each")
)
_CYCLES = select(_PLACED.c.position, *_CYCLES_OF_EACH.c).select_from(_PLACED.join(_CYCLES_OF_EACH, true()))


def discounted_cycles(session: Session, *, placed: Sequence[tuple[str, UUID, str]]) -> list[list[Period]]:
    """Return the cycles that each (project, discount, subscription) has discounted, without those given back.

    A discount that was moved has discounted cycles of other subscriptions too, which are left out.
    """
    found: list[list[Period]] = [[] for _ in placed]
    parameters = array_parameters("placed", ("project", "discount_id", "subscription"), placed)
    for row in session.execute(_CYCLES, parameters).all():
        found[row.position - 1].append(Period(start=row.cycle_start, end=row.cycle_end))
    return found
