"""The table of redemptions: every decided request with its decision. Rows are written once and never changed."""

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

from domain.eligibility import STORED
from models.append_only import append_only, kept, kept_while_recent
from models.base import (
    Base,
    Instant,
    array_parameters,
    index_by_time,
    insert_from_arrays,
    one_of,
    rows_from_arrays,
    table_of,
)
from models.foreign_keys import add_foreign_key
from models.redemptions.returned_place import RETURNED_PLACES
from models.redemptions.row_types import RedemptionRow
from models.vouchers.voucher import VOUCHERS

# The beginning of a code as sent, which is indexed.
UNKNOWN_CODE_KEY = "left(lower(code), 100)"


class Redemption(Base):
    """A decided request. Accepted requests have a number, refused requests a reason."""

    __tablename__ = "redemptions"

    # The key is the caller's request id: requests are looked up by this id, and no id is decided twice.
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    request_id: Mapped[str] = mapped_column(Text, primary_key=True)
    # An accepted redemption and its discount have the same id. The primary key of `discounts` keeps it unique.
    id: Mapped[UUID] = mapped_column(Uuid)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # Null if there is no such voucher.
    voucher_id: Mapped[UUID | None] = mapped_column(Uuid)
    # The text of the named code, or else of the voucher's own code at that moment. Without a voucher, as sent.
    code: Mapped[str | None] = mapped_column(Text)
    customer: Mapped[str] = mapped_column(Text)
    subscription: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    redemption_number: Mapped[int | None] = mapped_column(BigInteger)
    # The instant at which the voucher had to be open: `requestedAt` of the request, or the decision.
    effective_at: Mapped[datetime] = mapped_column(Instant)
    decided_at: Mapped[datetime] = mapped_column(Instant)
    # The named code, or null if the request named the voucher's id. A foreign key would be checked for each row.
    code_id: Mapped[UUID | None] = mapped_column(Uuid)

    # The customer's discount of the voucher on another subscription, which a refusal names.
    other_discount_id: Mapped[UUID | None] = mapped_column(Uuid)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("decided_at"),
        CheckConstraint(one_of("reason", STORED), name="reason_known"),
        CheckConstraint("(reason IS NULL) = (redemption_number IS NOT NULL)", name="accepted_has_number"),
        CheckConstraint("reason IS NOT NULL OR voucher_id IS NOT NULL", name="accepted_has_voucher"),
        CheckConstraint("other_discount_id IS NULL OR reason IS NOT NULL", name="refused_has_other_discount"),
        CheckConstraint("redemption_number >= 1", name="number_positive"),
        CheckConstraint("effective_at <= decided_at", name="effective_not_later"),
        # The redemptions of a voucher are numbered 1, 2, 3, …, which proves that the limit holds.
        Index(
            "uq_redemptions_number",
            "project",
            "voucher_id",
            "redemption_number",
            unique=True,
            # Not `reason IS NULL`, as in the next index: without statistics, the planner could then use this index
            # to count by customer, and would read all redemptions of the voucher.
            postgresql_where=text("redemption_number IS NOT NULL"),
        ),
        Index(
            "ix_redemptions_customer",
            "voucher_id",
            # Another collation than the primary key's: on a new table, the planner could use that index instead.
            text('project COLLATE "C"'),
            "customer",
            postgresql_where=text("reason IS NULL"),
        ),
        # For lists, which read accepted redemptions and each reason by itself. An accepted redemption is found by this
        # index, by the id of its discount, which the indexes of `discounts` find by customer, voucher or subscription.
        Index("ix_redemptions_reason", text('project COLLATE "POSIX"'), "reason", "id"),
        # A query can use only one of the others: each has a condition on its first column, and a collation or a
        # condition that no other index with these columns has. Otherwise the planner might skip through another one.
        Index(
            "ix_redemptions_accepted_code",
            "code_id",
            text('project COLLATE "C"'),
            "id",
            # Not `reason IS NULL`, as in `ix_redemptions_customer`.
            postgresql_where=text("redemption_number IS NOT NULL AND code_id IS NOT NULL"),
        ),
        # Refused requests have no discount.
        *(
            Index(
                f"ix_redemptions_refused_{name}",
                column,
                text('project COLLATE "C"'),
                "reason",
                "id",
                postgresql_where=text(f"reason IS NOT NULL AND {column} IS NOT NULL"),
            )
            for name, column in (
                ("customer", "customer"),
                ("subscription", "subscription"),
                ("voucher", "voucher_id"),
                ("code", "code_id"),
            )
        ),
        # Requests that named a code that did not exist. The text can be longer than an index allows.
        Index(
            "ix_redemptions_unknown_code",
            text(UNKNOWN_CODE_KEY),
            text('project COLLATE "C"'),
            "id",
            postgresql_where=text("voucher_id IS NULL"),
        ),
    )


REDEMPTIONS = append_only(table_of(Redemption))
# Refused requests may be pruned. An accepted one explains its discount.
kept(REDEMPTIONS, name="keep_accepted", condition="OLD.reason IS NULL", said="an accepted redemption is kept")
kept_while_recent(REDEMPTIONS, column="decided_at")
# A voucher that was redeemed is not deleted.
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
    "other_discount_id",
)
_REQUESTS = rows_from_arrays("requests", project=Text(), request_id=Text())
_CUSTOMERS = rows_from_arrays("customers", project=Text(), voucher_id=Uuid(), customer=Text())

_STORED = select(REDEMPTIONS).join(
    _REQUESTS,
    and_(REDEMPTIONS.c.project == _REQUESTS.c.project, REDEMPTIONS.c.request_id == _REQUESTS.c.request_id),
)
# A subquery, not a join: whatever the statistics say, one index scan per key.
_COUNT_OF_CUSTOMER = (
    select(func.count())
    .where(REDEMPTIONS.c.project.collate("C") == _CUSTOMERS.c.project)
    .where(REDEMPTIONS.c.voucher_id == _CUSTOMERS.c.voucher_id)
    .where(REDEMPTIONS.c.customer == _CUSTOMERS.c.customer)
    .where(REDEMPTIONS.c.reason.is_(None))
    .correlate(_CUSTOMERS)
    .scalar_subquery()
)
# Few places are returned, and an index by customer finds them.
_RETURNED_OF_CUSTOMER = (
    select(func.count())
    .where(RETURNED_PLACES.c.project == _CUSTOMERS.c.project)
    .where(RETURNED_PLACES.c.voucher_id == _CUSTOMERS.c.voucher_id)
    .where(RETURNED_PLACES.c.customer == _CUSTOMERS.c.customer)
    .correlate(_CUSTOMERS)
    .scalar_subquery()
)
_CODES = rows_from_arrays("codes", project=Text(), voucher_id=Uuid(), customer=Text(), code_id=Uuid())
# By the index of the customer, since a customer has redeemed a voucher a few times, but a code may have been by many.
# The place that was returned to a customer alone names no code.
_COUNT_OF_CUSTOMER_AND_CODE = (
    select(func.count())
    .where(REDEMPTIONS.c.project.collate("C") == _CODES.c.project)
    .where(REDEMPTIONS.c.voucher_id == _CODES.c.voucher_id)
    .where(REDEMPTIONS.c.customer == _CODES.c.customer)
    .where(REDEMPTIONS.c.reason.is_(None))
    .where(REDEMPTIONS.c.code_id == _CODES.c.code_id)
    .where(
        ~select(RETURNED_PLACES.c.discount_id)
        .where(RETURNED_PLACES.c.project == REDEMPTIONS.c.project)
        .where(RETURNED_PLACES.c.discount_id == REDEMPTIONS.c.id)
        .correlate(REDEMPTIONS)
        .exists()
    )
    .correlate(_CODES)
    .scalar_subquery()
)
_BY_CUSTOMER_AND_CODE = select(_COUNT_OF_CUSTOMER_AND_CODE).select_from(_CODES).order_by(_CODES.c.position)
_BY_CUSTOMER = (
    select(_COUNT_OF_CUSTOMER - _RETURNED_OF_CUSTOMER).select_from(_CUSTOMERS).order_by(_CUSTOMERS.c.position)
)
_INSERT = insert_from_arrays(Redemption, COLUMNS)


def find_redemptions(session: Session, *, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], RedemptionRow]:
    """Return the decided request of each (project, request id)."""
    rows = session.execute(_STORED, array_parameters("requests", ("project", "request_id"), set(keys))).all()
    return {(row.project, row.request_id): row for row in rows}


def count_taken_by_customer(session: Session, *, keys: Sequence[tuple[str, UUID, str]]) -> Sequence[int]:
    """Count the places that each (project, voucher, customer) has taken. Return them in that order.

    They are the accepted redemptions without those that have returned their place.
    Call it after locking the vouchers: a statement that locks and counts at once would count the rows from before the
    wait for the lock.
    """
    if not keys:
        return []
    parameters = array_parameters("customers", ("project", "voucher_id", "customer"), keys)
    return session.execute(_BY_CUSTOMER, parameters).scalars().all()


def count_taken_by_customer_and_code(session: Session, *, keys: Sequence[tuple[str, UUID, str, UUID]]) -> Sequence[int]:
    """Count the places that each customer has taken by a code. Return them in that order.

    Each key is (project, voucher, customer, code). The rest is as in `count_taken_by_customer`.
    """
    if not keys:
        return []
    parameters = array_parameters("codes", ("project", "voucher_id", "customer", "code_id"), keys)
    return session.execute(_BY_CUSTOMER_AND_CODE, parameters).scalars().all()


def add_redemptions(session: Session, *, rows: Iterable[RedemptionRow]) -> None:
    """Insert decided requests. Every batch inserts in the same order, so that two batches never deadlock."""
    in_order = sorted(rows, key=attrgetter("project", "request_id"))
    session.execute(_INSERT, array_parameters("new", COLUMNS, map(attrgetter(*COLUMNS), in_order)))
