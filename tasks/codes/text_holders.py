"""Find out which texts of codes are free: a text is taken while it belongs to an available code."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.code_terms import (
    CodeRetiredReason,
    CodeRetirement,
    first_retirement,
    retirement_by_clock,
    retirement_by_voucher,
)
from domain.terms import RetiredReason
from models.base import read_clock
from models.codes.retirement import retire_codes
from models.codes.row_types import TextHolderRow
from models.codes.text_holders import find_holders
from models.vouchers.look_up import VoucherKey, lock_vouchers
from models.vouchers.writes import retire_as_expired
from worker.database import ChangedMeanwhileError

CODE_IS_TAKEN = "is already the code of a voucher that can still be redeemed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextHolders:
    """The codes that now have the wanted texts.

    `taken` has the codes that can still be redeemed, by text in lower case. `replaceable` has the codes that can no
    longer be redeemed, with their retirement, by the text too.
    """

    taken: Mapping[str, TextHolderRow]
    replaceable: Mapping[str, tuple[TextHolderRow, CodeRetirement]]

    def retire_replaceable(self, session: Session, *, codes: Iterable[str]) -> None:
        """Retire the replaceable codes with these texts, each for its own reason, so that the texts are free.

        Expired vouchers of these codes are retired too, as the next sweep would do.
        """
        texts = {code.lower() for code in codes}
        replaced = [each for text, each in self.replaceable.items() if text in texts]
        if replaced:
            retire_codes(session, retirements={(row.project, row.id): end for row, end in replaced})
        expired = {_voucher_key(row) for row, end in replaced if end.reason is CodeRetiredReason.VOUCHER_EXPIRED}
        if expired:
            retire_as_expired(session, keys=expired)


def lock_holders(
    session: Session, *, project: str, codes: Collection[str], locking: Collection[VoucherKey] = ()
) -> TextHolders:
    """Lock the vouchers of replaceable codes together with those in `locking`, and return the codes with the texts.

    Call this before any other lock, because vouchers are locked in the order of their ids. Nothing is changed. The
    vouchers in `locking` keep their texts even if they are retired.
    """
    ends = _ends_of_holders(session, project=project, codes=codes, keeping=locking)
    locked = {*locking, *(_voucher_key(row) for row, end in ends if end)}
    if locked:
        lock_vouchers(session, keys=locked)
        ends = _ends_of_holders(session, project=project, codes=codes, keeping=locking)
    replaceable = [(row, end) for row, end in ends if end]
    if not {_voucher_key(row) for row, _ in replaceable} <= locked:
        raise ChangedMeanwhileError
    return TextHolders(
        taken={row.code.lower(): row for row, end in ends if end is None},
        replaceable={row.code.lower(): (row, end) for row, end in replaceable},
    )


def primary_code(code: str, *, voucher: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the primary code of a new voucher. The code has the id of the voucher."""
    return {
        "project": voucher["project"],
        "id": voucher["id"],
        "voucher_id": voucher["id"],
        "code": code,
        "created_at": voucher["created_at"],
        "is_primary": True,
        "maximum_redemptions": None,
        "maximum_redemptions_per_customer": None,
        "expires_at": None,
        "customer": None,
        "generation_id": None,
    }


def _ends_of_holders(
    session: Session, *, project: str, codes: Collection[str], keeping: Collection[VoucherKey]
) -> list[tuple[TextHolderRow, CodeRetirement | None]]:
    rows, now = find_holders(session, project=project, codes=codes), read_clock(session)
    return [(row, _own_end(row, now=now) if _voucher_key(row) in keeping else _end_of(row, now=now)) for row in rows]


def _own_end(row: TextHolderRow, *, now: datetime) -> CodeRetirement | None:
    return retirement_by_clock(expires_at=row.expires_at, voucher_expires_at=None, now=now)


def _end_of(row: TextHolderRow, *, now: datetime) -> CodeRetirement | None:
    by_voucher = None
    if row.voucher_retired_reason is not None and row.voucher_retired_at is not None:
        reason = RetiredReason(row.voucher_retired_reason)
        by_voucher = retirement_by_voucher(reason=reason, at=row.voucher_retired_at)
    by_clock = retirement_by_clock(expires_at=row.expires_at, voucher_expires_at=row.voucher_expires_at, now=now)
    return first_retirement([by_voucher, by_clock])


def _voucher_key(row: TextHolderRow) -> VoucherKey:
    return row.project, row.voucher_id
