"""Create and change the primary code of a voucher, which the voucher shows as its own."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain.code_terms import LOST_TEXT_REASONS, CodeRetiredReason, CodeRetirement, retirement_by_voucher
from domain.terms import RetiredReason
from models.base import new_id
from models.codes.code import add_codes
from models.codes.primary import add_retired_codes, find_primary_code, respell_code
from models.codes.retirement import retire_codes
from models.codes.row_types import CodeRow
from models.vouchers.row_types import ShownVoucherRow
from tasks.codes.text_holders import CODE_IS_TAKEN, TextHolders, primary_code
from tasks.wire.errors import InvalidRequest

# The resolution of the database's timestamps.
TICK = timedelta(microseconds=1)


def change_primary_code(
    session: Session, *, voucher: ShownVoucherRow, changed: dict[str, Any], holders: TextHolders, now: datetime
) -> None:
    """Change the primary code of a locked voucher, whose columns will be `changed`.

    If the voucher becomes available, the code takes back a text that was lost. Raises InvalidRequest if the text is
    taken by another available code. A voucher that stays retired may show the text all the same.
    """
    code = changed["code"]
    own = _own_code(session, voucher=voucher)
    if own is not None and code is not None and code.lower() == own.code.lower():
        if code != own.code:
            respell_code(session, project=own.project, id=own.id, code=code, at=now)
        becomes_available = changed["retired_reason"] is None and voucher.retired_reason is not None
        has_lost_text = own.retired_reason in LOST_TEXT_REASONS and not _names(voucher, code, holders=holders)
        if not (becomes_available and has_lost_text):
            return
    if own is not None and own.retired_reason is None:
        by_hand = CodeRetirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)
        retire_codes(session, retirements={(own.project, own.id): by_hand})
    if code is not None:
        new = primary_code(code, voucher={"project": voucher.project, "id": voucher.id, "created_at": now})
        new["id"] = new_id()
        require_text(changed, holders=holders)
        add_primary_codes(session, new=[(new, changed)], holders=holders, now=now)


def require_text(voucher: Mapping[str, Any], *, holders: TextHolders) -> None:
    """Raise InvalidRequest if a voucher will be available and its text is taken by another available code."""
    code = voucher["code"]
    if code is not None and voucher["retired_reason"] is None and code.lower() in holders.taken:
        raise InvalidRequest([{"field": "code", "message": CODE_IS_TAKEN}])


def add_primary_codes(
    session: Session, *, new: Iterable[tuple[dict[str, Any], Mapping[str, Any]]], holders: TextHolders, now: datetime
) -> None:
    """Insert primary codes with different texts, each with the columns of its voucher. Call `require_text` before.

    If the text is taken, the voucher is retired, and so is the code.
    """
    free, only_shown = list[dict[str, Any]](), list[tuple[dict[str, Any], CodeRetirement]]()
    for code, voucher in new:
        holder = holders.taken.get(code["code"].lower())
        if holder is None:
            free.append(code)
        else:
            # The new code must be older than the code with the text, which the text must still name after both are
            # retired.
            older = {**code, "created_at": holder.created_at - TICK}
            reason = RetiredReason(voucher["retired_reason"])
            only_shown.append((older, retirement_by_voucher(reason=reason, at=now)))
    if free:
        holders.retire_replaceable(session, codes=[each["code"] for each in free])
        add_codes(session, rows=free)
    if only_shown:
        add_retired_codes(session, rows=only_shown)


def _names(voucher: ShownVoucherRow, code: str, *, holders: TextHolders) -> bool:
    # Another code of the same voucher may have the text.
    holder = holders.taken.get(code.lower())
    return holder is not None and holder.voucher_id == voucher.id


def _own_code(session: Session, *, voucher: ShownVoucherRow) -> CodeRow | None:
    if voucher.code is None:
        return None
    return find_primary_code(session, project=voucher.project, voucher_id=voucher.id, code=voucher.code)
