"""The table of subscriptions: one row for each. Lock it before counting the subscription's discounts."""

from collections.abc import Iterable

from sqlalchemy import Text, and_, collate, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import append_only
from models.base import Base, array_parameters, rows_affected, rows_from_arrays, table_of


class Subscription(Base):
    """A subscription that has discounts, or the order of a one-off purchase."""

    __tablename__ = "subscriptions"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    subscription: Mapped[str] = mapped_column(Text, primary_key=True)


# PostgreSQL lets nobody lock a row who may not update it. The trigger still refuses every update.
SUBSCRIPTIONS = append_only(table_of(Subscription))
_COLUMNS = ("project", "subscription")
_KEYS = rows_from_arrays("keys", project=Text(), subscription=Text())

# Every transaction inserts and locks rows in the order of their bytes. Python sorts strings in the same order.
_ADD = (
    insert(SUBSCRIPTIONS)
    .from_select(_COLUMNS, select(*(_KEYS.c[name] for name in _COLUMNS)))
    .on_conflict_do_nothing()
    # SQLAlchemy drops the row count of an INSERT otherwise.
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
    """Lock each (project, subscription) until the end of the transaction, and add a row for a new subscription.

    Call it after locking the vouchers. It serializes redemptions of different vouchers on a subscription.
    """
    parameters = array_parameters("keys", _COLUMNS, sorted(set(keys)))
    added = session.execute(_ADD, parameters)
    # An inserted row is locked by its transaction. Subscriptions are nearly always new, and then no second statement is
    # needed.
    if rows_affected(added) < len(parameters["keys_project"]):
        session.execute(_LOCK, parameters)
