"""Create, change and retire vouchers."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, JSON, Text, Uuid, update
from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from models.base import array_parameters, insert_from_arrays, rows_from_arrays
from models.vouchers.row_types import VoucherRow
from models.vouchers.voucher import VOUCHERS, Voucher

# The others are counted or computed from the start.
NEW_COLUMNS = tuple(each.name for each in VOUCHERS.c if each.name not in {"held", "imported_matched", "is_full"})
_JSON_COLUMNS = [each.name for each in VOUCHERS.c if isinstance(each.type, JSON)]
_ARRAY_COLUMNS = [each.name for each in VOUCHERS.c if isinstance(each.type, ARRAY)]
_INSERT = insert_from_arrays(Voucher, NEW_COLUMNS)


def add_vouchers(session: Session, *, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert vouchers with the columns `NEW_COLUMNS`. A unique violation means that a key was used meanwhile.

    All transactions insert in the order of the keys, so that two of them with the same keys never deadlock.
    """
    in_order = sorted(rows, key=lambda row: (row["request_id"] or "", row["delivery_id"] or ""))
    parameters = array_parameters("new", NEW_COLUMNS, ([row[each] for each in NEW_COLUMNS] for row in in_order))
    for names, as_text in ((_JSON_COLUMNS, json.dumps), (_ARRAY_COLUMNS, _array_text)):
        for name in names:
            values = parameters[f"new_{name}"]
            parameters[f"new_{name}"] = [None if each is None else as_text(each) for each in values]
    session.execute(_INSERT, parameters)


def _array_text(values: Sequence[str]) -> str:
    escaped = (each.replace("\\", "\\\\").replace('"', '\\"') for each in values)
    return "{" + ",".join(f'"{each}"' for each in escaped) + "}"


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
