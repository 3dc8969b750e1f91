"""Find the discounts of subscriptions: the running discounts, and all that may cover an invoice."""

from collections.abc import Iterable
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy import Text, and_, literal_column, not_, select, text, true
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS, ID_UNLESS_RUNNING
from models.discounts.row_types import DiscountRow, WindowRow

_SUBSCRIPTIONS = rows_from_arrays("subscriptions", project=Text(), subscription=Text())
_ON_SUBSCRIPTION = and_(
    DISCOUNTS.c.project.collate(LOOK_UP_COLLATION) == _SUBSCRIPTIONS.c.project,
    DISCOUNTS.c.subscription == _SUBSCRIPTIONS.c.subscription,
)
# In the words of the index, so that the planner uses it.
_IS_RUNNING = text(f"({ID_UNLESS_RUNNING}) IS NULL")
# OFFSET 0 keeps the planner from reordering the join. Whatever the statistics say, it is one index scan per
# subscription.
_RUNNING_ON_EACH = (
    select(DISCOUNTS.c.project, DISCOUNTS.c.id, DISCOUNTS.c.subscription, DISCOUNTS.c.voucher_id, DISCOUNTS.c.ends_on)
    .where(_ON_SUBSCRIPTION, _IS_RUNNING)
    .offset(literal_column("0"))
    .correlate(_SUBSCRIPTIONS)
    .lateral("running")
)
_RUNNING = select(_RUNNING_ON_EACH).select_from(_SUBSCRIPTIONS.join(_RUNNING_ON_EACH, true()))
# A completed discount may cover an invoice that arrives late, unless it was for a single invoice. An ended discount
# covers no invoice.
_COVERING = (
    select(DISCOUNTS)
    .join(_SUBSCRIPTIONS, _ON_SUBSCRIPTION)
    .where(not_(and_(DISCOUNTS.c.recurrence == text("'once'"), DISCOUNTS.c.cycles > text("0"))))
    .where(DISCOUNTS.c.status != text("'ended'"))
    .order_by(DISCOUNTS.c.id)
)
_LOCK = _COVERING.with_for_update(of=DISCOUNTS, key_share=True)


class RunningDiscountRow(Protocol):
    """The columns of a running discount that a redemption is decided by."""

    project: str
    id: UUID
    subscription: str
    voucher_id: UUID
    ends_on: date | None


def find_running(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[RunningDiscountRow]:
    """Return the running discounts of each (project, subscription). Call it after locking the subscriptions.

    Until the next sweep, a discount with an expired window has the status `running`: check `is_within_window`.
    """
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    return list(session.execute(_RUNNING, parameters).all())


def lock_covering(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[DiscountRow]:
    """Lock the discounts that may cover invoices of the subscriptions, and return them, ascending by id."""
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    return list(session.execute(_LOCK, parameters).all())


def find_covering(session: Session, *, project: str, subscription: str) -> list[DiscountRow]:
    """Return the discounts that may cover an invoice of the subscription, ascending by id, without a lock."""
    parameters = array_parameters("subscriptions", ("project", "subscription"), [(project, subscription)])
    return list(session.execute(_COVERING, parameters).all())


def is_within_window(row: WindowRow, *, today: date) -> bool:
    """Return whether the window of a running discount has not ended, swept or not."""
    return row.ends_on is None or row.ends_on > today
