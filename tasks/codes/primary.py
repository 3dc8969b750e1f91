"""What a change of a voucher means to the code that it shows as its own."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from domain.code import TAKEN_OVER, CodeRetiredReason, CodeRetirement, retirement_by_voucher
from domain.terms import RetiredReason
from models.base import StoredRow, new_id
from models.codes.code import add_codes
from models.codes.primary import add_retired_code, find_primary_code, spell_code
from models.codes.retirement import retire_codes
from tasks.codes.text_holders import CODE_IS_TAKEN, TextHolders, primary_code
from tasks.wire.errors import InvalidRequest

# The database keeps microseconds.
INSTANT_BEFORE = timedelta(microseconds=1)


def change_primary_code(
    session: Session, *, voucher: StoredRow, changed: dict[str, Any], holders: TextHolders, now: datetime
) -> None:
    """This function will let a voucher's own code follow the change of its locked voucher, to `changed`.

    A voucher that is available again needs its text back from whoever has it since. Raises InvalidRequest where
    the text belongs to another code that can still be redeemed; only one that stays retired may carry it too.
    """
    code = changed["code"]
    own = _own_code(session, voucher=voucher)
    is_held = own is not None and own.retired_reason is None
    if own is not None and code is not None and code.lower() == own.code.lower():
        if code != own.code:
            spell_code(session, project=own.project, id=own.id, code=code)
        comes_back = changed["retired_reason"] is None and voucher.retired_reason is not None
        if is_held or not comes_back or own.retired_reason not in TAKEN_OVER or _has(voucher, code, holders=holders):
            return
    if own is not None and is_held:
        by_hand = CodeRetirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)
        retire_codes(session, retirements={(own.project, own.id): by_hand})
    if code is not None:
        new = primary_code(code, voucher={"project": voucher.project, "id": voucher.id, "created_at": now})
        new["id"] = new_id()
        add_primary_code(session, new=new, retired_reason=changed["retired_reason"], holders=holders, now=now)


def add_primary_code(
    session: Session, *, new: dict[str, Any], retired_reason: str | None, holders: TextHolders, now: datetime
) -> None:
    """This function will insert a voucher's own code, with its text where that is free.

    Raises InvalidRequest where the text belongs to another code that can still be redeemed, unless the voucher is
    retired and only shows it.
    """
    holder = holders.taken.get(new["code"].lower())
    if holder is None:
        holders.release(session)
        add_codes(session, rows=[new])
    elif retired_reason is None:
        raise InvalidRequest([{"field": "code", "message": CODE_IS_TAKEN}])
    else:
        # Older than the code that holds the text: that one is named also when it is over, swept or not.
        older = {**new, "created_at": holder.created_at - INSTANT_BEFORE}
        retirement = retirement_by_voucher(reason=RetiredReason(retired_reason), at=now)
        add_retired_code(session, values=older, retirement=retirement)


def _has(voucher: StoredRow, code: str, *, holders: TextHolders) -> bool:
    # By a code that was added to it: the text names this voucher all the same.
    holder = holders.taken.get(code.lower())
    return holder is not None and holder.voucher_id == voucher.id


def _own_code(session: Session, *, voucher: StoredRow) -> StoredRow | None:
    if voucher.code is None:
        return None
    return find_primary_code(session, project=voucher.project, voucher_id=voucher.id, code=voucher.code)
