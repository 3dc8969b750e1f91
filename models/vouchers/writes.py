"""Create, change and retire vouchers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text, Uuid, insert, update
from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from models.base import array_parameters, rows_from_arrays
from models.vouchers.row_types import VoucherRow
from models.vouchers.voucher import VOUCHERS


def add_voucher(session: Session, *, values: Mapping[str, Any]) -> None:
    """Insert a voucher with these columns."""
    session.execute(insert(VOUCHERS).values(**values))


def mark_retired(
    session: Session,
    *,
    project: str,
    id: UUID,  # noqa: A002 - the column's name
    reason: RetiredReason,
    retired_at: datetime,
) -> VoucherRow:
    """Retire a voucher that is locked and available, and return its row."""
    return change_voucher(
        session, project=project, id=id, values={"retired_reason": reason.value, "retired_at": retired_at}
    )


def change_voucher(
    session: Session,
    *,
    project: str,
    id: UUID,  # noqa: A002 - the column's name
    values: Mapping[str, Any],
) -> VoucherRow:
    """Update columns of a voucher that is locked, and return its row."""
    statement = update(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)
    return session.execute(statement.values(**values).returning(*VOUCHERS.c)).one()


_EXPIRED = rows_from_arrays("expired", project=Text(), id=Uuid())
_RETIRE_EXPIRED_VOUCHERS = (
    update(VOUCHERS)
    .where(VOUCHERS.c.project == _EXPIRED.c.project, VOUCHERS.c.id == _EXPIRED.c.id)
    .where(VOUCHERS.c.retired_reason.is_(None))
    .values(retired_reason=RetiredReason.EXPIRED.value, retired_at=VOUCHERS.c.expires_at)
)


def retire_as_expired(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> None:
    """Retire locked vouchers that have expired, as the next sweep would."""
    session.execute(_RETIRE_EXPIRED_VOUCHERS, array_parameters("expired", ("project", "id"), set(keys)))
