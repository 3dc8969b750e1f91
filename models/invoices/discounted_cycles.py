"""Find the billing cycles that discounts have discounted, on their subscriptions or in which phase of a ramp."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, literal_column, null, select, true
from sqlalchemy.orm import Session

from domain.recurrence import Period
from models.base import array_parameters, rows_from_arrays
from models.discounts.locks import DiscountKey
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
_OF_RAMPS = rows_from_arrays("ramps", project=Text(), discount_id=Uuid())
_PHASES_OF_EACH = (
    select(USAGE_ENTRIES.c.cycle_start, USAGE_ENTRIES.c.phase)
    .where(USAGE_ENTRIES.c.project == _OF_RAMPS.c.project, USAGE_ENTRIES.c.discount_id == _OF_RAMPS.c.discount_id)
    .where(USAGE_ENTRIES.c.phase.is_not(null()), ~IS_GIVEN_BACK)
    .offset(literal_column("0"))
    .correlate(_OF_RAMPS)
    .lateral("phases_of_each")
)
_PHASES = select(_OF_RAMPS.c.position, *_PHASES_OF_EACH.c).select_from(_OF_RAMPS.join(_PHASES_OF_EACH, true()))
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


def discounted_phases(session: Session, *, keys: Sequence[DiscountKey]) -> list[dict[date, int]]:
    """Return the phase of each cycle that each ramp has discounted on any subscription, by the cycle's start.

    Cycles that were given back are left out. Call it after locking the discounts.
    """
    found: list[dict[date, int]] = [{} for _ in keys]
    for row in session.execute(_PHASES, array_parameters("ramps", ("project", "discount_id"), keys)).all():
        found[row.position - 1][row.cycle_start] = row.phase
    return found
