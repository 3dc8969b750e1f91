"""Look up vouchers by id or by the request that created them, with or without a lock."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import Text, Uuid, and_, select
from sqlalchemy.orm import Session

from models.base import StoredRow, array_parameters, rows_from_arrays
from models.vouchers.voucher import VOUCHERS

_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
# What a decision needs. The rest of a row can be long, and is read by those who show it.
_DECISIVE = (
    "project",
    "id",
    "code",
    "percentage_basis_points",
    "amounts_minor",
    "starts_at",
    "expires_at",
    "maximum_redemptions",
    "maximum_redemptions_per_customer",
    "products",
    "minimum_subtotal_minor",
    "minimum_subtotal_currency",
    "redemptions",
    "retired_reason",
    "stamps_required",
    "stamp_expire_days",
    "held",
    "places_returned",
)
_LOOK = (
    select(*(VOUCHERS.c[name] for name in _DECISIVE))
    .join(_KEYS, and_(VOUCHERS.c.project == _KEYS.c.project, VOUCHERS.c.id == _KEYS.c.id))
    .order_by(VOUCHERS.c.id)
)
_LOCK = _LOOK.with_for_update(of=VOUCHERS, key_share=True)


def lock_vouchers(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], StoredRow]:
    """This function will lock those vouchers to the end of the transaction, ascending by id, and return them.

    The rows hold what a decision needs. They are read as they stand after any wait, so that nothing is decided
    on what somebody else is changing.
    """
    rows = session.execute(_LOCK, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {(row.project, row.id): row for row in rows}


def see_vouchers(session: Session, *, keys: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], StoredRow]:
    """This function will return what `lock_vouchers` does, without a lock: for a decision that writes nothing."""
    rows = session.execute(_LOOK, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {(row.project, row.id): row for row in rows}


def find_voucher(session: Session, *, project: str, id: UUID) -> StoredRow | None:  # noqa: A002 - the column's name
    """This function will return the voucher's row, or None."""
    return session.execute(select(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)).one_or_none()


def find_creation(session: Session, *, project: str, key: Mapping[str, str]) -> StoredRow | None:
    """This function will return the voucher that this request or delivery created, or None."""
    keyed = (VOUCHERS.c[name] == value for name, value in key.items())
    return session.execute(select(VOUCHERS).where(VOUCHERS.c.project == project, *keyed)).one_or_none()
