"""The table of erasures: the pseudonyms that took the place of customers' ids.

While an erasure runs, its row has the customer's id, so that an interrupted erasure goes on with the same pseudonym.
After that, only the key connects the two, and the key is deleted too.
"""

import secrets
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, Text, Uuid, delete, func, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.base import Base, Instant, columns_of, new_id, rows_affected, table_of

# The bits of a pseudonym and of a key are random, so that neither can be computed from the customer's id.
PSEUDONYM_PREFIX = "erased_"
_PSEUDONYM_BYTES = 16
_KEY_BYTES = 32


class CustomerErasure(Base):
    """An erasure of a customer. Without an end, it still runs, or was interrupted."""

    __tablename__ = "customer_erasures"

    project: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    pseudonym: Mapped[str] = mapped_column(Text)
    # Null as soon as the erasure has ended.
    customer: Mapped[str | None] = mapped_column(Text)
    # Fingerprints of erased requests are mixed with it. Until it is deleted, a repeated `usages.record` is recognized.
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    actor: Mapped[str | None] = mapped_column(Text)
    # Rows up to this instant are erased.
    started_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)

    __table_args__ = (
        CheckConstraint("(customer IS NULL) = (ended_at IS NOT NULL)", name="customer_until_ended"),
        CheckConstraint("key IS NOT NULL OR ended_at IS NOT NULL", name="key_until_ended"),
        CheckConstraint("ended_at >= started_at", name="ended_after_start"),
        # A customer is erased once at a time.
        Index(
            "uq_customer_erasures_running",
            "project",
            "customer",
            unique=True,
            postgresql_where=text("customer IS NOT NULL"),
        ),
        # A repeated `usages.record` looks for pseudonyms whose key is still there.
        Index("ix_customer_erasures_keys", "project", "pseudonym", postgresql_where=text("key IS NOT NULL")),
    )


class ErasureRow(Protocol):
    """A running erasure."""

    project: str
    id: UUID
    customer: str
    pseudonym: str
    key: bytes
    started_at: datetime
    # Begun by this call. Otherwise, another copy has begun it, and may have renamed rows already.
    is_new: bool


CUSTOMER_ERASURES = table_of(CustomerErasure)
_RUNNING = tuple(CUSTOMER_ERASURES.c[name] for name in columns_of(ErasureRow) if name != "is_new")


def begin_erasure(session: Session, *, project: str, customer: str, actor: str | None, at: datetime) -> ErasureRow:
    """Return the running erasure of a customer, or begin one.

    A running erasure gets another id: the copy that has begun it then no longer drops it.
    """
    values: dict[str, Any] = {
        "project": project,
        "id": new_id(),
        "pseudonym": PSEUDONYM_PREFIX + secrets.token_hex(_PSEUDONYM_BYTES),
        "customer": customer,
        "key": secrets.token_bytes(_KEY_BYTES),
        "actor": actor,
        "started_at": at,
    }
    begun = insert(CUSTOMER_ERASURES).values(**values)
    begun = begun.on_conflict_do_update(
        index_elements=[CUSTOMER_ERASURES.c.project, CUSTOMER_ERASURES.c.customer],
        index_where=text("customer IS NOT NULL"),
        set_={"id": begun.excluded.id},
    )
    is_new = (CUSTOMER_ERASURES.c.pseudonym == values["pseudonym"]).label("is_new")
    return session.execute(begun.returning(*_RUNNING, is_new)).one()


def end_erasure(session: Session, *, of: ErasureRow) -> None:
    """Note that an erasure has ended, and delete the customer's id from it. Another copy may have done it."""
    columns = CUSTOMER_ERASURES.c
    session.execute(
        update(CUSTOMER_ERASURES)
        .where(columns.project == of.project, columns.pseudonym == of.pseudonym, columns.ended_at.is_(None))
        .values(customer=None, ended_at=func.greatest(func.clock_timestamp(), columns.started_at))
    )


def drop_erasure(session: Session, *, of: ErasureRow) -> None:
    """Delete a new erasure that found nothing to erase, unless another copy has taken it over."""
    columns = CUSTOMER_ERASURES.c
    session.execute(delete(CUSTOMER_ERASURES).where(columns.project == of.project, columns.id == of.id))


def forget_keys(session: Session, *, ended_before: datetime) -> int:
    """Delete the keys of erasures that ended before an instant, and return how many."""
    columns = CUSTOMER_ERASURES.c
    forgotten = (
        update(CUSTOMER_ERASURES).where(columns.key.is_not(None), columns.ended_at < ended_before).values(key=None)
    )
    return rows_affected(session.execute(forgotten))
