"""Changing a voucher's terms."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.orm import Session

from models.base import StoredRow
from models.voucher import VOUCHERS


def change_voucher(session: Session, *, project: str, id: UUID, values: Mapping[str, Any]) -> StoredRow:  # noqa: A002 - the column's name
    """This function will write columns of a voucher that is locked, and return its row."""
    statement = update(VOUCHERS).where(VOUCHERS.c.project == project, VOUCHERS.c.id == id)
    return session.execute(statement.values(**values).returning(*VOUCHERS.c)).one()
