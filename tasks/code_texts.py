"""Who may have the text of a code: it is held by one code that can still be redeemed, and free otherwise."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.code import CodeRetiredReason, Retirement, first_retirement, retirement_by_clock, retirement_by_voucher
from domain.terms import RetiredReason
from models.base import StoredRow, read_clock
from models.code_holding import find_holders, retire_codes, retire_expired_vouchers
from models.voucher import lock_vouchers
from worker.db import ChangedMeanwhileError

VoucherKey = tuple[str, UUID]


def free_codes(
    session: Session, *, project: str, codes: Collection[str], locking: Collection[VoucherKey] = ()
) -> set[str]:
    """This function will take the texts from codes that are over, and return those that are held, in lower case.

    It locks the vouchers of the codes that are over together with those that are named, ascending by id: call it
    before anything else is locked. The clock is read after the locks.
    """
    held = find_holders(session, project=project, codes=codes)
    now = read_clock(session)
    locked = {*locking, *((row.project, row.voucher_id) for row in held if _end_of(row, now=now))}
    if locked:
        lock_vouchers(session, keys=locked)
        held, now = find_holders(session, project=project, codes=codes), read_clock(session)
    over = {row: end for row in held if (end := _end_of(row, now=now))}
    if not {(row.project, row.voucher_id) for row in over} <= locked:
        raise ChangedMeanwhileError
    if over:
        _release(session, over)
    return {row.code.lower() for row in held if row not in over}


def primary_code(code: str, *, voucher: Mapping[str, Any]) -> dict[str, Any]:
    """This function will return the code that a new voucher has as its own: it has the voucher's identity."""
    return {
        "project": voucher["project"],
        "id": voucher["id"],
        "voucher_id": voucher["id"],
        "code": code,
        "created_at": voucher["created_at"],
        "is_primary": True,
        "maximum_redemptions": None,
        "expires_at": None,
        "customer": None,
        "generation_id": None,
    }


def _release(session: Session, over: dict[StoredRow, Retirement]) -> None:
    retire_codes(session, retirements={(row.project, row.id): end for row, end in over.items()})
    expired = [row for row, end in over.items() if end.reason is CodeRetiredReason.VOUCHER_EXPIRED]
    retire_expired_vouchers(session, keys=[(row.project, row.voucher_id) for row in expired])


def _end_of(row: StoredRow, *, now: datetime) -> Retirement | None:
    """This function will return since when and why a code that nobody has retired is over, or None."""
    reason = row.voucher_retired_reason
    by_voucher = reason and retirement_by_voucher(reason=RetiredReason(reason), at=row.voucher_retired_at)
    by_clock = retirement_by_clock(expires_at=row.expires_at, voucher_expires_at=row.voucher_expires_at, now=now)
    return first_retirement([by_voucher, by_clock])
