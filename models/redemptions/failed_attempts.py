"""The unknown codes that each customer has tried of late. A customer who has tried too many has to wait."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import CheckConstraint, Index, Integer, Interval, Text, bindparam, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, array_parameters, rows_affected, rows_from_arrays, table_of

# The project and the customer.
CustomerKey = tuple[str, str]


class FailedAttempts(Base):
    """The unknown codes of a customer, counted from the first one on. After a time, they are counted anew."""

    __tablename__ = "failed_attempts"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    customer: Mapped[str] = mapped_column(Text, primary_key=True)
    began_at: Mapped[datetime] = mapped_column(Instant)
    attempts: Mapped[int] = mapped_column(Integer)

    __table_args__ = (
        CheckConstraint("attempts >= 1", name="counted"),
        # For the sweep, and for the figures of monitoring.
        Index(None, "began_at"),
    )


class AttemptsRow(Protocol):
    """The unknown codes that the customers of a project have tried of late."""

    project: str
    attempts: int


FAILED_ATTEMPTS = table_of(FailedAttempts)
_KEYS = rows_from_arrays("keys", project=Text(), customer=Text())
_FIND = (
    select(FAILED_ATTEMPTS.c.project, FAILED_ATTEMPTS.c.customer, FAILED_ATTEMPTS.c.attempts)
    .join(
        _KEYS,
        (FAILED_ATTEMPTS.c.project == _KEYS.c.project) & (FAILED_ATTEMPTS.c.customer == _KEYS.c.customer),
    )
    .where(FAILED_ATTEMPTS.c.began_at > bindparam("since", type_=Instant))
)
_TRIED = rows_from_arrays("tried", project=Text(), customer=Text(), attempts=Integer())
_NOW = bindparam("now", type_=Instant)
_INSERT = insert(FAILED_ATTEMPTS).from_select(
    ("project", "customer", "began_at", "attempts"),
    # In order, so that two batches never wait for each other.
    select(_TRIED.c.project, _TRIED.c.customer, _NOW, _TRIED.c.attempts).order_by(_TRIED.c.project, _TRIED.c.customer),
)
_GOES_ON = FAILED_ATTEMPTS.c.began_at > bindparam("since", type_=Instant)
_COUNT = _INSERT.on_conflict_do_update(
    index_elements=[FAILED_ATTEMPTS.c.project, FAILED_ATTEMPTS.c.customer],
    set_={
        "began_at": case((_GOES_ON, FAILED_ATTEMPTS.c.began_at), else_=_INSERT.excluded.began_at),
        "attempts": case((_GOES_ON, FAILED_ATTEMPTS.c.attempts), else_=0) + _INSERT.excluded.attempts,
    },
).returning(FAILED_ATTEMPTS.c.project, FAILED_ATTEMPTS.c.customer, FAILED_ATTEMPTS.c.attempts)
_DUE = (
    select(FAILED_ATTEMPTS.c.project, FAILED_ATTEMPTS.c.customer)
    .where(FAILED_ATTEMPTS.c.began_at <= bindparam("until", type_=Instant))
    .order_by(FAILED_ATTEMPTS.c.began_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)
_FORGET = delete(FAILED_ATTEMPTS).where(
    FAILED_ATTEMPTS.c.project == _DUE.c.project, FAILED_ATTEMPTS.c.customer == _DUE.c.customer
)
# Whoever guesses in the names of many customers makes many rows.
_SUMMED_MAX = 100_000
_LATEST = (
    select(FAILED_ATTEMPTS.c.project, FAILED_ATTEMPTS.c.attempts)
    .where(FAILED_ATTEMPTS.c.began_at > func.clock_timestamp() - bindparam("window", type_=Interval))
    .order_by(FAILED_ATTEMPTS.c.began_at.desc())
    .limit(_SUMMED_MAX)
    .subquery()
)
_BY_PROJECT = (
    select(_LATEST.c.project, func.sum(_LATEST.c.attempts).label("attempts"))
    .group_by(_LATEST.c.project)
    .order_by(func.sum(_LATEST.c.attempts).desc(), _LATEST.c.project)
    .limit(bindparam("limit"))
)


def find_attempts(session: Session, *, keys: Iterable[CustomerKey], since: datetime) -> dict[CustomerKey, int]:
    """Return how many unknown codes each customer has tried, if the first one was after `since`."""
    parameters = array_parameters("keys", ("project", "customer"), sorted(set(keys)))
    rows = session.execute(_FIND, {**parameters, "since": since}).all()
    return {(row.project, row.customer): row.attempts for row in rows}


def count_attempts(
    session: Session, *, tried: Iterable[tuple[str, str, int]], now: datetime, since: datetime
) -> dict[CustomerKey, int]:
    """Add the numbers of unknown codes that customers have tried, and return the new numbers.

    The rows stay locked until the transaction ends. A count that began at `since` or before begins anew.
    """
    parameters = array_parameters("tried", ("project", "customer", "attempts"), tried)
    rows = session.execute(_COUNT, {**parameters, "now": now, "since": since}).all()
    return {(row.project, row.customer): row.attempts for row in rows}


def forget_attempts(session: Session, *, until: datetime, batch_size: int) -> int:
    """Delete at most `batch_size` counts that began at `until` or before, and return their number."""
    return rows_affected(session.execute(_FORGET, {"until": until, "limit": batch_size}))


def forget_customer(session: Session, *, project: str, customer: str, until: datetime) -> int:
    """Delete the count of a customer that began at `until` or before, and return 1 if there was one, or else 0."""
    columns = FAILED_ATTEMPTS.c
    is_customers = (columns.project == project) & (columns.customer == customer)
    return rows_affected(session.execute(delete(FAILED_ATTEMPTS).where(is_customers, columns.began_at <= until)))


def sum_attempts(session: Session, *, window: timedelta, limit: int) -> Sequence[AttemptsRow]:
    """Return the counts of the projects that have tried most, for the customers whose count began within the window.

    Of more than 100,000 such customers, the latest are counted.
    """
    return session.execute(_BY_PROJECT, {"window": window, "limit": limit}).all()
