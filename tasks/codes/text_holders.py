"""Who may have the text of a code: it is held by one code that can still be redeemed, and free otherwise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.code import CodeRetiredReason, CodeRetirement, first_retirement, retirement_by_clock, retirement_by_voucher
from domain.terms import RetiredReason
from models.base import StoredRow, read_clock
from models.codes.retirement import CodeKey, retire_codes
from models.codes.text_holders import find_holders
from models.vouchers.changes import retire_expired_vouchers
from models.vouchers.look_up import lock_vouchers
from worker.database import ChangedMeanwhileError

VoucherKey = tuple[str, UUID]

CODE_IS_TAKEN = "is already the code of a voucher that can still be redeemed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHolders:
    """Who has the texts that somebody wants: codes that keep theirs, by it in lower case, and those that are over."""

    taken: Mapping[str, StoredRow]
    over: Mapping[CodeKey, CodeRetirement]
    expired_vouchers: frozenset[VoucherKey]

    def release(self, session: Session) -> None:
        """This method will retire the codes that are over, each with its own reason: their texts are free then.

        A voucher whose window is over is retired too, as the next sweep would do it.
        """
        if self.over:
            retire_codes(session, retirements=self.over)
        if self.expired_vouchers:
            retire_expired_vouchers(session, keys=self.expired_vouchers)


def lock_holders(
    session: Session, *, project: str, codes: Collection[str], locking: Collection[VoucherKey] = ()
) -> TextHolders:
    """This function will lock the vouchers of codes that are over, and those that are named, and say who has what.

    They are locked together, ascending by id: call it before anything else is locked. It changes nothing. A voucher
    that is named keeps the texts that it has, also where it is retired itself.
    """
    ends = _ends_of_holders(session, project=project, codes=codes, keeping=locking)
    locked = {*locking, *(_voucher_key(row) for row, end in ends if end)}
    if locked:
        lock_vouchers(session, keys=locked)
        ends = _ends_of_holders(session, project=project, codes=codes, keeping=locking)
    over = [(row, end) for row, end in ends if end]
    if not {_voucher_key(row) for row, _ in over} <= locked:
        raise ChangedMeanwhileError
    return TextHolders(
        taken={row.code.lower(): row for row, end in ends if end is None},
        over={(row.project, row.id): end for row, end in over},
        expired_vouchers=frozenset(
            _voucher_key(row) for row, end in over if end.reason is CodeRetiredReason.VOUCHER_EXPIRED
        ),
    )


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


def _ends_of_holders(
    session: Session, *, project: str, codes: Collection[str], keeping: Collection[VoucherKey]
) -> list[tuple[StoredRow, CodeRetirement | None]]:
    rows, now = find_holders(session, project=project, codes=codes), read_clock(session)
    return [(row, _own_end(row, now=now) if _voucher_key(row) in keeping else _end_of(row, now=now)) for row in rows]


def _own_end(row: StoredRow, *, now: datetime) -> CodeRetirement | None:
    return retirement_by_clock(expires_at=row.expires_at, voucher_expires_at=None, now=now)


def _end_of(row: StoredRow, *, now: datetime) -> CodeRetirement | None:
    reason = row.voucher_retired_reason
    by_voucher = retirement_by_voucher(reason=RetiredReason(reason), at=row.voucher_retired_at) if reason else None
    by_clock = retirement_by_clock(expires_at=row.expires_at, voucher_expires_at=row.voucher_expires_at, now=now)
    return first_retirement([by_voucher, by_clock])


def _voucher_key(row: StoredRow) -> VoucherKey:
    return row.project, row.voucher_id
