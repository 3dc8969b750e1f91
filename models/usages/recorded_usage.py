"""The table of usage records: usage and stamps that were recorded without an invoice."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    insert,
    select,
    text,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from domain.stamp_card import Collected, StampCard
from models.append_only import append_only
from models.base import Base, Instant, index_by_time, table_of

# The SHA-256 of the reference in UTF-8. A generated column takes immutable functions only, and `convert_to` is not one.
REF_DIGEST = r"sha256(decode(replace(ref, '\', '\\'), 'escape'))"


class UsageRecord(Base):
    """An entry under a reference of the caller. Rows are written once and never changed."""

    __tablename__ = "usage_records"

    # Because of this key, a reference is recorded once for each voucher and customer. The reference is in the key as a
    # digest: three ids of 255 characters of four bytes do not fit into a row of an index (2,704 bytes).
    project: Mapped[str] = mapped_column(Text, primary_key=True)
    voucher_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    customer: Mapped[str] = mapped_column(Text, primary_key=True)
    ref: Mapped[str] = mapped_column(Text)
    id: Mapped[UUID] = mapped_column(Uuid)
    ref_type: Mapped[str] = mapped_column(Text)
    # A refused entry has a reason and counts nothing, so that sums can ignore the reason.
    reason: Mapped[str | None] = mapped_column(Text)
    usage: Mapped[int] = mapped_column(BigInteger)
    stamp: Mapped[int] = mapped_column(Integer)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    # The discount that was granted if this entry completed a card.
    discount_id: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[datetime] = mapped_column(Instant)
    created_by: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    # JSON, not JSONB: a replay has the fields in their first order.
    answer: Mapped[dict[str, Any]] = mapped_column(JSON)
    ref_digest: Mapped[bytes] = mapped_column(LargeBinary, Computed(REF_DIGEST, persisted=True), primary_key=True)

    __table_args__ = (
        # For the audit of what changed.
        index_by_time("created_at"),
        # The voucher and the discount of an entry are not deleted, because they explain the entry.
        ForeignKeyConstraint(["project", "voucher_id"], ["vouchers.project", "vouchers.id"], ondelete="RESTRICT"),
        ForeignKeyConstraint(["project", "discount_id"], ["discounts.project", "discounts.id"], ondelete="RESTRICT"),
        CheckConstraint("least(usage, stamp, amount_minor) >= 0", name="counts_not_negative"),
        CheckConstraint("(reason IS NULL) = (greatest(usage, stamp, amount_minor) > 0)", name="refused_counts_nothing"),
        CheckConstraint("discount_id IS NULL OR stamp > 0", name="granted_for_a_stamp"),
        Index("uq_usage_records_id", "project", "id", unique=True),
        # Finds the customers of a voucher, and the entries of each customer in the order recorded.
        Index(
            "ix_usage_records_customer",
            "project",
            "voucher_id",
            "customer",
            "created_at",
            postgresql_where=text("reason IS NULL"),
        ),
        # A card grants at most one discount.
        Index(
            "uq_usage_records_discount",
            "project",
            "discount_id",
            unique=True,
            postgresql_where=text("discount_id IS NOT NULL"),
        ),
    )


USAGE_RECORDS = append_only(table_of(UsageRecord))
_FIND = text("""
    SELECT fingerprint, answer FROM usage_records
    WHERE project = :project AND voucher_id = :voucher_id AND customer = :customer AND ref_digest = :digest
""")
# The fingerprint of an erased entry is mixed with the erasure's key.
_FIND_ERASED = text("""
    SELECT record.fingerprint, record.answer
    FROM customer_erasures AS erasure
    JOIN usage_records AS record
         ON record.project = erasure.project AND record.customer = erasure.pseudonym
            AND record.voucher_id = :voucher_id AND record.ref_digest = :digest
    WHERE erasure.project = :project AND erasure.key IS NOT NULL
          AND record.fingerprint = sha256(erasure.key || CAST(:fingerprint AS bytea))
""")


class FirstRecordRow(Protocol):
    """The first answer to a recorded entry, and the fingerprint of the request's body."""

    fingerprint: bytes
    answer: dict[str, Any]


class CollectedRow(Protocol):
    """The columns of an entry with stamps that the rules need."""

    created_at: datetime
    stamp: int
    discount_id: UUID | None


class StampCardRow(Protocol):
    """The columns of a voucher that describe the stamp card. Both are null without a card."""

    stamps_required: int | None
    stamp_expire_days: int | None


def find_record(session: Session, *, project: str, voucher_id: UUID, customer: str, ref: str) -> FirstRecordRow | None:
    """Return the entry that was recorded under a reference, or None. Call it after locking the voucher."""
    parameters = {"project": project, "voucher_id": voucher_id, "customer": customer}
    return session.execute(_FIND, {**parameters, "digest": sha256(ref.encode()).digest()}).one_or_none()


def find_erased(
    session: Session, *, project: str, voucher_id: UUID, ref: str, fingerprint: bytes
) -> FirstRecordRow | None:
    """Return the entry of an erased customer that this request recorded, as long as the erasure's key is kept."""
    parameters = {"project": project, "voucher_id": voucher_id, "fingerprint": fingerprint}
    return session.execute(_FIND_ERASED, {**parameters, "digest": sha256(ref.encode()).digest()}).one_or_none()


def collected_stamps(session: Session, *, project: str, voucher_id: UUID, customer: str) -> list[Collected]:
    """Return the customer's stamps of a voucher in the order recorded. Call it after locking the voucher."""
    rows = session.execute(
        select(USAGE_RECORDS.c.created_at, USAGE_RECORDS.c.stamp, USAGE_RECORDS.c.discount_id)
        .where(
            USAGE_RECORDS.c.project == project,
            USAGE_RECORDS.c.voucher_id == voucher_id,
            USAGE_RECORDS.c.customer == customer,
            USAGE_RECORDS.c.reason.is_(None),
            USAGE_RECORDS.c.stamp > text("0"),
        )
        .order_by(USAGE_RECORDS.c.created_at)
    )
    return [collected_of(row) for row in rows]


def add_record(session: Session, *, values: Mapping[str, Any]) -> None:
    """Insert an entry."""
    session.execute(insert(USAGE_RECORDS).values(**values))


def collected_of(row: CollectedRow) -> Collected:
    """Return the stamps of an entry as a value of the rules."""
    return Collected(at=row.created_at, stamps=row.stamp, completed_card=row.discount_id is not None)


def stamp_card_of(row: StampCardRow) -> StampCard | None:
    """Return the stamp card of a voucher, or None if the voucher has none."""
    if row.stamps_required is None:
        return None
    return StampCard(stamps=row.stamps_required, expire_days=row.stamp_expire_days)
