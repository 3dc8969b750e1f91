"""Subscriptions, as far as redeeming needs them: a row that whoever counts a subscription's discounts holds."""

from collections.abc import Iterable

from sqlalchemy import Text, and_, collate, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, array_parameters, rows_affected, rows_from_arrays, table_of


class Subscription(Base):
    """What discounts attach to: a subscription, or the order of a one-off purchase."""

    __tablename__ = "subscriptions"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    subscription: Mapped[str] = mapped_column(Text, primary_key=True)


SUBSCRIPTIONS = table_of(Subscription)
_COLUMNS = ("project", "subscription")
_KEYS = rows_from_arrays("keys", project=Text(), subscription=Text())

# Rows are inserted and locked in one order everywhere: that of the bytes, which is Python's order of strings too.
_ADD = (
    insert(SUBSCRIPTIONS)
    .from_select(_COLUMNS, select(*(_KEYS.c[name] for name in _COLUMNS)))
    .on_conflict_do_nothing()
    # Of an INSERT it is not kept otherwise.
    .execution_options(preserve_rowcount=True)
)
_LOCK = (
    select(SUBSCRIPTIONS)
    .join(
        _KEYS,
        and_(SUBSCRIPTIONS.c.project == _KEYS.c.project, SUBSCRIPTIONS.c.subscription == _KEYS.c.subscription),
    )
    .order_by(collate(SUBSCRIPTIONS.c.project, "C"), collate(SUBSCRIPTIONS.c.subscription, "C"))
    .with_for_update(of=SUBSCRIPTIONS, key_share=True)
)


def lock_subscriptions(session: Session, *, keys: Iterable[tuple[str, str]]) -> None:
    """This function will lock those subscriptions to the end of the transaction, in order, whether known or new.

    Take it after the vouchers' locks. It serializes redemptions of different vouchers on one subscription.
    """
    parameters = array_parameters("keys", _COLUMNS, sorted(set(keys)))
    added = session.execute(_ADD, parameters)
    # Whoever adds a row holds it: with new ones alone, as nearly always, nothing is left to lock.
    if rows_affected(added) < len(parameters["keys_project"]):
        session.execute(_LOCK, parameters)
