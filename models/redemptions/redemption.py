"""Redemptions: every request that was decided, with its decision. Rows are written once and never changed."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    Text,
    Uuid,
    and_,
    func,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.eligibility import Refusal
from models.base import (
    Base,
    Instant,
    StoredRow,
    array_parameters,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.foreign_keys import add_foreign_key
from models.redemptions.returned_place import RETURNED_PLACES
from models.vouchers.voucher import VOUCHERS


class Redemption(Base):
    """One decided request. Accepted ones carry a number, refused ones a reason."""

    __tablename__ = "redemptions"

    # The caller's id is the key: it is what requests are looked up by, and what must never be decided twice.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # An accepted redemption and the discount that it granted share one identity, which is unique there.
    id: Mapped[UUID] = mapped_column(Uuid)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Null where no such voucher was found.
    voucher_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The code that was named, or else the voucher's own, as shown then; what was sent where no voucher was found.
    code: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    redemption_number: Mapped[int | None] = mapped_column(BigInteger)
    # The instant at which the voucher had to be open: the request's own, or the decision's.
    effective_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime] = mapped_column(Instant)
    # Which code was named; null where the voucher's id was. No key to `codes`: it would be checked for each row.
    code_id: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        CheckConstraint(one_of("reason", Refusal), name="reason_known"),
        # Neither is for ever: the id is another body's, or a place may become free.
        CheckConstraint("reason NOT IN ('idempotency_conflict', 'fully_reserved')", name="reason_stored"),
        CheckConstraint("(reason IS NULL) = (redemption_number IS NOT NULL)", name="accepted_has_number"),
        CheckConstraint("reason IS NOT NULL OR voucher_id IS NOT NULL", name="accepted_has_voucher"),
        CheckConstraint("redemption_number >= 1", name="number_positive"),
        CheckConstraint("effective_at <= decided_at", name="effective_not_later"),
        # The proof that a limit held: 1, 2, 3 … for each voucher.
        Index(
            "uq_redemptions_number",
            "project",
            "voucher_id",
            "redemption_number",
            unique=True,
            # Said in other words than the next one's, which is meant for counting: while the table's statistics
            # are not known yet, nothing else would keep a count by customer from reading the whole voucher.
            postgresql_where=text("redemption_number IS NOT NULL"),
        ),
        Index(
            "ix_redemptions_customer",
            "voucher_id",
            # The primary key would look as good on a new table: it has another collation than what is looked for.
            text('project COLLATE "C"'),
            "customer",
            postgresql_where=text("reason IS NULL"),
        ),
    )


REDEMPTIONS = table_of(Redemption)
# A voucher that was redeemed is not deleted: its redemptions would lose what they were granted for.
add_foreign_key(REDEMPTIONS, "voucher_id", to=VOUCHERS, key="id")
COLUMNS = (
    "project",
    "request_id",
    "id",
    "fingerprint",
    "voucher_id",
    "code",
    "customer",
    "subscription",
    "reason",
    "redemption_number",
    "effective_at",
    "decided_at",
    "code_id",
)
_REQUESTS = rows_from_arrays("requests", project=Text(), request_id=Text())
_CUSTOMERS = rows_from_arrays("customers", project=Text(), voucher_id=Uuid(), customer=Text())

_STORED = select(REDEMPTIONS).join(
    _REQUESTS,
    and_(REDEMPTIONS.c.project == _REQUESTS.c.project, REDEMPTIONS.c.request_id == _REQUESTS.c.request_id),
)
# A subquery for each key, not a join: whatever the statistics say, it is one look into the index for each.
_COUNT_OF_CUSTOMER = (
    select(func.count())
    .where(REDEMPTIONS.c.project.collate("C") == _CUSTOMERS.c.project)
    .where(REDEMPTIONS.c.voucher_id == _CUSTOMERS.c.voucher_id)
    .where(REDEMPTIONS.c.customer == _CUSTOMERS.c.customer)
    .where(REDEMPTIONS.c.reason.is_(None))
    .correlate(_CUSTOMERS)
    .scalar_subquery()
)
# The few whose place is free again, by an index of their own.
_RETURNED_OF_CUSTOMER = (
    select(func.count())
    .where(RETURNED_PLACES.c.project == _CUSTOMERS.c.project)
    .where(RETURNED_PLACES.c.voucher_id == _CUSTOMERS.c.voucher_id)
    .where(RETURNED_PLACES.c.customer == _CUSTOMERS.c.customer)
    .correlate(_CUSTOMERS)
    .scalar_subquery()
)
_BY_CUSTOMER = (
    select(_COUNT_OF_CUSTOMER - _RETURNED_OF_CUSTOMER).select_from(_CUSTOMERS).order_by(_CUSTOMERS.c.position)
)
_INSERT = insert_from_arrays(Redemption, COLUMNS)


def find_redemptions(session: Session, *, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], StoredRow]:
    """This function will return what was decided for each (project, request id)."""
    rows = session.execute(_STORED, array_parameters("requests", ("project", "request_id"), set(keys))).all()
    return {(row.project, row.request_id): row for row in rows}


def count_by_customer(session: Session, *, keys: Sequence[tuple[str, UUID, str]]) -> Sequence[int]:
    """This function will count the places that each (project, voucher, customer) has taken, in their order.

    They are its accepted redemptions but for those whose place is free again.

    Take it in a statement of its own after the vouchers' locks: a statement that waits for a lock inside
    itself still counts what stood there before the wait.
    """
    if not keys:
        return []
    parameters = array_parameters("customers", ("project", "voucher_id", "customer"), keys)
    return session.execute(_BY_CUSTOMER, parameters).scalars().all()


def add_redemptions(session: Session, *, rows: Iterable[object]) -> None:
    """This function will insert the decided requests, in one order for all, so that two batches never deadlock."""
    in_order = sorted(rows, key=attrgetter("project", "request_id"))
    session.execute(_INSERT, array_parameters("new", COLUMNS, map(attrgetter(*COLUMNS), in_order)))
