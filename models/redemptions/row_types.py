"""The rows of redemptions, holds and returned places that queries return, with the types of their columns."""

from datetime import datetime
from typing import Any, Protocol, TypeGuard
from uuid import UUID


class RedemptionRow(Protocol):
    """A row of `redemptions` with all columns."""

    project: str
    request_id: str
    id: UUID
    fingerprint: bytes
    voucher_id: UUID | None
    code: str | None
    customer: str
    subscription: str
    reason: str | None
    redemption_number: int | None
    effective_at: datetime
    decided_at: datetime
    code_id: UUID | None
    other_discount_id: UUID | None


class HoldRow(Protocol):
    """A row of `holds` with all columns that are read. The request was accepted or refused."""

    project: str
    request_id: str
    id: UUID
    fingerprint: bytes
    voucher_id: UUID | None
    code_id: UUID | None
    code: str | None
    customer: str
    subscription: str
    request: dict[str, Any]
    reason: str | None
    effective_at: datetime
    created_at: datetime
    expires_at: datetime | None
    status: str
    other_discount_id: UUID | None


class AcceptedHoldRow(HoldRow, Protocol):
    """A row of `holds` that was not refused. A check constraint demands a voucher and an end."""

    voucher_id: UUID
    expires_at: datetime


class HeldPlaceRow(Protocol):
    """The columns of an accepted hold that say which place is kept, for whom, and until when."""

    project: str
    request_id: str
    id: UUID
    voucher_id: UUID
    code_id: UUID | None
    customer: str
    subscription: str
    expires_at: datetime
    status: str


class HeldBesideRow(Protocol):
    """The columns of an open hold that say what it keeps others from, and whether its voucher is exclusive."""

    project: str
    subscription: str
    id: UUID
    voucher_id: UUID
    customer: str
    exclusive: bool


class ReturnedPlaceRow(Protocol):
    """The voucher and the code that a place was returned to."""

    project: str
    voucher_id: UUID
    code_id: UUID | None


class HeldCountRow(Protocol):
    """A voucher with the count of open holds, which includes lapsed holds until a sweep has closed them."""

    project: str
    id: UUID
    held: int


def is_accepted(row: HoldRow) -> TypeGuard[AcceptedHoldRow]:
    """Return whether a request for a hold was accepted, whatever has become of the hold since."""
    return row.reason is None
