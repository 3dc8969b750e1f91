"""Find the discounts of subscriptions: the running discounts, and all that may cover an invoice."""

from collections.abc import Iterable
from datetime import date
from typing import Protocol
from uuid import UUID

from sqlalchemy import and_, literal_column, not_, select, text, true
from sqlalchemy.orm import Session

from domain.terms import RecurrenceType
from models.base import array_parameters
from models.discounts.discount import DISCOUNTS, ID_UNLESS_RUNNING, DiscountStatus
from models.discounts.locks import NAMED, ON_EACH, ON_SUBSCRIPTION, SUBSCRIPTIONS, DiscountKey, locking
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.row_types import DiscountRow, WindowRow

# In the words of the index, so that the planner uses it.
_IS_RUNNING = text(f"({ID_UNLESS_RUNNING}) IS NULL")
# OFFSET 0 keeps the planner from reordering the join. Whatever the statistics say, it is one index scan per
# subscription.
_RUNNING_ON_EACH = (
    select(
        *(DISCOUNTS.c[name] for name in ("project", "id", "subscription", "voucher_id", "ends_on", "exclusive")),
    )
    .where(ON_SUBSCRIPTION, _IS_RUNNING)
    .offset(literal_column("0"))
    .correlate(SUBSCRIPTIONS)
    .lateral("running")
)
_RUNNING = select(_RUNNING_ON_EACH).select_from(SUBSCRIPTIONS.join(_RUNNING_ON_EACH, true()))
# A completed discount may cover an invoice that arrives late, unless it was for a single invoice. An ended discount
# covers no invoice.
_MAY_COVER = and_(
    not_(and_(DISCOUNTS.c.recurrence == text("'once'"), DISCOUNTS.c.cycles > text("0"))),
    DISCOUNTS.c.status != text("'ended'"),
)
_COVERING = select(DISCOUNTS).join(SUBSCRIPTIONS, ON_SUBSCRIPTION).where(_MAY_COVER).order_by(DISCOUNTS.c.id)
# Locked by the id, not by the subscription: if a discount is moved during the wait for its lock, the row is then
# returned with the new subscription. Otherwise PostgreSQL would leave out the row, and a batch with invoices of both
# subscriptions would discount neither.
_LOCK = (
    select(DISCOUNTS)
    .select_from(SUBSCRIPTIONS.join(ON_EACH, true()))
    .join(DISCOUNTS, and_(DISCOUNTS.c.project == ON_EACH.c.project, DISCOUNTS.c.id == ON_EACH.c.id))
    .where(_MAY_COVER)
    .order_by(DISCOUNTS.c.id)
    .with_for_update(of=DISCOUNTS, key_share=True)
)
_NAMED_OR_ON_EACH = (
    select(NAMED.c.project, NAMED.c.id)
    .union(select(ON_EACH.c.project, ON_EACH.c.id).select_from(SUBSCRIPTIONS.join(ON_EACH, true())))
    .subquery("named_or_on_each")
)
_LOCK_WITH_NAMED = locking(_NAMED_OR_ON_EACH)


class RunningDiscountRow(Protocol):
    """The columns of a running discount that a redemption is decided by."""

    project: str
    id: UUID
    subscription: str
    voucher_id: UUID
    ends_on: date | None
    exclusive: bool


def find_running(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[RunningDiscountRow]:
    """Return the running discounts of each (project, subscription). Call it after locking the subscriptions.

    Until the next sweep, a discount with an expired window has the status `running`: check `is_within_window`.
    """
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    return list(session.execute(_RUNNING, parameters).all())


def lock_covering(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[DiscountRow]:
    """Lock the discounts that may cover invoices of the subscriptions, and return them, ascending by id.

    A discount that was moved during the wait for its lock is returned if its new subscription is one of them.
    """
    wanted = set(subscriptions)
    rows = session.execute(_LOCK, array_parameters("subscriptions", ("project", "subscription"), wanted)).all()
    return [each for each in rows if (each.project, each.subscription) in wanted]


def lock_covering_and_named(
    session: Session, *, subscriptions: Iterable[SubscriptionKey], keys: Iterable[DiscountKey]
) -> list[DiscountRow]:
    """Lock the named discounts and all of the subscriptions, and return them, ascending by id.

    `may_cover` tells which of them may cover an invoice of their present subscription: the rule of `_MAY_COVER`.
    """
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    parameters |= array_parameters("keys", ("project", "id"), set(keys))
    return list(session.execute(_LOCK_WITH_NAMED, parameters).all())


def may_cover(row: DiscountRow) -> bool:
    """Return whether a discount may cover an invoice of its subscription that is still to come."""
    is_used = row.recurrence == RecurrenceType.ONCE and row.cycles > 0
    return row.status != DiscountStatus.ENDED and not is_used


def find_covering(session: Session, *, project: str, subscription: str) -> list[DiscountRow]:
    """Return the discounts that may cover an invoice of the subscription, ascending by id, without a lock."""
    parameters = array_parameters("subscriptions", ("project", "subscription"), [(project, subscription)])
    return list(session.execute(_COVERING, parameters).all())


def is_within_window(row: WindowRow, *, today: date) -> bool:
    """Return whether the window of a running discount has not ended, swept or not."""
    return row.ends_on is None or row.ends_on > today


def is_running(row: DiscountRow, *, today: date) -> bool:
    """Return whether a discount runs, swept or not."""
    return row.status == DiscountStatus.RUNNING and is_within_window(row, today=today)
