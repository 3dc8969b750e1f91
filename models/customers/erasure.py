"""The table of erasures: the pseudonyms that took the place of customers' ids.

While an erasure runs, its row has the customer's id, so that an interrupted erasure goes on with the same pseudonym.
After that, only the key connects the two, and the key is deleted too. The row itself stays for ever.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Index,
    LargeBinary,
    Text,
    Uuid,
    case,
    exists,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from models.append_only import keeping_erasures
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
    # Of the requests for it that have no answer yet.
    request_keys: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))

    __table_args__ = (
        CheckConstraint("(customer IS NULL) = (ended_at IS NOT NULL)", name="customer_until_ended"),
        CheckConstraint("key IS NOT NULL OR ended_at IS NOT NULL", name="key_until_ended"),
        CheckConstraint("ended_at >= started_at", name="ended_after_start"),
        CheckConstraint("ended_at IS NULL OR request_keys = '{}'::text[]", name="answered_when_ended"),
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


CUSTOMER_ERASURES = keeping_erasures(table_of(CustomerErasure))
_RUNNING = tuple(CUSTOMER_ERASURES.c[name] for name in columns_of(ErasureRow))


def begin_erasure(
    session: Session, *, project: str, customer: str, actor: str | None, request_key: str | None, at: datetime
) -> ErasureRow:
    """Return the running erasure of a customer, or begin one. It keeps the key of the request until its end."""
    columns = CUSTOMER_ERASURES.c
    begun = insert(CUSTOMER_ERASURES).values(
        project=project,
        id=new_id(),
        pseudonym=PSEUDONYM_PREFIX + secrets.token_hex(_PSEUDONYM_BYTES),
        customer=customer,
        key=secrets.token_bytes(_KEY_BYTES),
        actor=actor,
        started_at=at,
        request_keys=[] if request_key is None else [request_key],
    )
    new = begun.excluded.request_keys
    begun = begun.on_conflict_do_update(
        index_elements=[columns.project, columns.customer],
        index_where=text("customer IS NOT NULL"),
        set_={
            "request_keys": case(
                (columns.request_keys.contains(new), columns.request_keys), else_=columns.request_keys + new
            )
        },
    )
    return session.execute(begun.returning(*_RUNNING)).one()


def end_erasure(session: Session, *, of: ErasureRow) -> Sequence[str]:
    """Note that an erasure has ended, and delete the customer's id from it. Return the keys of the requests for it.

    There are none if another copy has ended it.
    """
    columns = CUSTOMER_ERASURES.c
    running = (columns.project == of.project, columns.id == of.id, columns.ended_at.is_(None))
    keys = session.execute(select(columns.request_keys).where(*running).with_for_update()).scalar_one_or_none()
    if keys is None:
        return []
    ended_at = func.greatest(func.clock_timestamp(), columns.started_at)
    session.execute(update(CUSTOMER_ERASURES).where(*running).values(customer=None, request_keys=[], ended_at=ended_at))
    found: list[str] = keys
    return found


def fingerprint_of(erasure: ErasureRow) -> bytes:
    """Return a hash of the customer's id, 32 bytes. Without the key of the erasure, nobody can try ids."""
    return hashlib.sha256(erasure.key + erasure.customer.encode()).digest()


def is_of_customer(session: Session, *, project: str, customer: str, fingerprint: bytes) -> bool:
    """Return whether a fingerprint is that of an erasure of the customer whose key is still there."""
    columns = CUSTOMER_ERASURES.c
    mixed = func.sha256(columns.key.op("||")(literal(customer.encode(), LargeBinary)))
    same = select(exists().where(columns.project == project, columns.key.is_not(None), mixed == fingerprint))
    found: bool = session.execute(same).scalar_one()
    return found


def forget_keys(session: Session, *, ended_before: datetime) -> int:
    """Delete the keys of erasures that ended before an instant, and return how many."""
    columns = CUSTOMER_ERASURES.c
    forgotten = (
        update(CUSTOMER_ERASURES).where(columns.key.is_not(None), columns.ended_at < ended_before).values(key=None)
    )
    return rows_affected(session.execute(forgotten))
