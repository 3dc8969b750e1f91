"""Look up vouchers by id or by the request that created them, with or without a lock."""

from collections import defaultdict
from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, and_, bindparam, func, select
from sqlalchemy.orm import Session

from models.base import array_parameters, columns_of, rows_from_arrays
from models.vouchers.row_types import DecisiveVoucherRow, VoucherCreationRow, VoucherRow
from models.vouchers.voucher import VOUCHERS

VoucherKey = tuple[str, UUID]
# `request_id` or `delivery_id`, and its value.
CreationKey = tuple[str, str]
_KEYS = rows_from_arrays("keys", project=Text(), id=Uuid())
_READ = (
    # Not the whole row: the other columns can be long, and only answers show them.
    select(*(VOUCHERS.c[name] for name in columns_of(DecisiveVoucherRow)))
    .join(_KEYS, and_(VOUCHERS.c.project == _KEYS.c.project, VOUCHERS.c.id == _KEYS.c.id))
    .order_by(VOUCHERS.c.id)
)
_READ_WHOLE = select(VOUCHERS).join(_KEYS, and_(VOUCHERS.c.id == _KEYS.c.id, VOUCHERS.c.project == _KEYS.c.project))
_CREATED_BY = rows_from_arrays("created", project=Text(), delivery_id=Text())
_CREATED = select(VOUCHERS).join(
    _CREATED_BY,
    and_(VOUCHERS.c.project == _CREATED_BY.c.project, VOUCHERS.c.delivery_id == _CREATED_BY.c.delivery_id),
)
_CREATIONS = {
    name: select(*(VOUCHERS.c[each] for each in columns_of(VoucherCreationRow))).where(
        VOUCHERS.c.project == bindparam("project"), VOUCHERS.c[name] == func.any(bindparam("wanted", type_=ARRAY(Text)))
    )
    for name in ("request_id", "delivery_id")
}
_LOCK = _READ.with_for_update(of=VOUCHERS, key_share=True)


def lock_vouchers(session: Session, *, keys: Iterable[VoucherKey]) -> dict[VoucherKey, DecisiveVoucherRow]:
    """Lock the vouchers until the end of the transaction, in the order of their ids, and return their rows.

    The rows are read after any wait for a lock, so that no decision is made on values that another transaction is
    about to change.
    """
    rows = session.execute(_LOCK, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {(row.project, row.id): row for row in rows}


def read_vouchers(session: Session, *, keys: Iterable[VoucherKey]) -> dict[VoucherKey, DecisiveVoucherRow]:
    """Return the rows of the vouchers without a lock, for a decision that writes nothing."""
    rows = session.execute(_READ, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {(row.project, row.id): row for row in rows}


def find_voucher(session: Session, *, project: str, id: UUID) -> VoucherRow | None:  # noqa: A002 - the column's name
    """Return the row of the voucher, or None."""
    return session.execute(select(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)).one_or_none()


def find_vouchers(session: Session, *, keys: Iterable[VoucherKey]) -> dict[UUID, VoucherRow]:
    """Return the whole rows of vouchers of a project, by id, without a lock."""
    rows = session.execute(_READ_WHOLE, array_parameters("keys", ("project", "id"), set(keys))).all()
    return {row.id: row for row in rows}


def find_created(session: Session, *, project: str, delivery_ids: Iterable[str]) -> dict[str, VoucherRow]:
    """Return the vouchers that deliveries with these ids have created, by the id of the delivery."""
    keys = [(project, each) for each in sorted(set(delivery_ids))]
    rows = session.execute(_CREATED, array_parameters("created", ("project", "delivery_id"), keys)).all()
    return {row.delivery_id: row for row in rows}


def find_creations(
    session: Session, *, project: str, keys: Iterable[CreationKey]
) -> dict[CreationKey | None, VoucherCreationRow]:
    """Return the answers to earlier creations with the same keys, by the key."""
    by_column = defaultdict[str, list[str]](list)
    for name, key in keys:
        by_column[name].append(key)
    return {
        (name, getattr(row, name)): row
        for name, wanted in by_column.items()
        for row in session.execute(_CREATIONS[name], {"project": project, "wanted": wanted})
    }
