"""The discounts of subscriptions: those that run, and those that may cover an invoice."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Text, and_, literal_column, not_, select, text, true
from sqlalchemy.orm import Session

from models.base import LOOK_UP_COLLATION, StoredRow, array_parameters, rows_from_arrays
from models.discounts.discount import DISCOUNTS, OVER

_SUBSCRIPTIONS = rows_from_arrays("subscriptions", project=Text(), subscription=Text())
_ON_SUBSCRIPTION = and_(
    DISCOUNTS.c.project.collate(LOOK_UP_COLLATION) == _SUBSCRIPTIONS.c.project,
    DISCOUNTS.c.subscription == _SUBSCRIPTIONS.c.subscription,
)
_IS_RUNNING = text(f"({OVER}) IS NULL")
# OFFSET 0 keeps the planner from turning it round: whatever the statistics say, it is one look into the index
# for each subscription.
_RUNNING_ON_EACH = (
    select(DISCOUNTS.c.project, DISCOUNTS.c.id, DISCOUNTS.c.subscription, DISCOUNTS.c.voucher_id, DISCOUNTS.c.ends_on)
    .where(_ON_SUBSCRIPTION, _IS_RUNNING)
    .offset(literal_column("0"))
    .correlate(_SUBSCRIPTIONS)
    .lateral("running")
)
_RUNNING = select(_RUNNING_ON_EACH).select_from(_SUBSCRIPTIONS.join(_RUNNING_ON_EACH, true()))
# A completed discount may still cover an invoice that arrives late, unless it was for one invoice only, which it had.
# One that was ended covers none.
_COVERING = (
    select(DISCOUNTS)
    .join(_SUBSCRIPTIONS, _ON_SUBSCRIPTION)
    .where(not_(and_(DISCOUNTS.c.recurrence == text("'once'"), DISCOUNTS.c.cycles > text("0"))))
    .where(DISCOUNTS.c.status != text("'ended'"))
    .order_by(DISCOUNTS.c.id)
)
_LOCK = _COVERING.with_for_update(of=DISCOUNTS, key_share=True)


def find_running(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[StoredRow]:
    """This function will return the running discounts of each (project, subscription).

    Take it after the subscriptions' locks. One whose window is over may not have been swept yet: look at `ends_on`.
    """
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    return list(session.execute(_RUNNING, parameters).all())


def lock_discounts(session: Session, *, subscriptions: Iterable[tuple[str, str]]) -> list[StoredRow]:
    """This function will lock what those subscriptions were granted, ascending by id, and return it in that order."""
    parameters = array_parameters("subscriptions", ("project", "subscription"), set(subscriptions))
    return list(session.execute(_LOCK, parameters).all())


def find_covering(session: Session, *, project: str, subscription: str) -> list[StoredRow]:
    """This function will return what may cover an invoice of that subscription, without a lock."""
    parameters = array_parameters("subscriptions", ("project", "subscription"), [(project, subscription)])
    return list(session.execute(_COVERING, parameters).all())


def is_within_window(row: StoredRow, *, today: date) -> bool:
    """This function will tell whether a discount that runs has a window that is not over, swept or not."""
    return row.ends_on is None or bool(row.ends_on > today)
