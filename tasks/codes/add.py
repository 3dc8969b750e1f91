"""Add codes to a voucher."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from domain.voucher_change import VoucherChangeKind
from models.base import new_id, read_clock
from models.codes.code import add_codes
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_voucher
from models.vouchers.row_types import ShownVoucherRow
from tasks.codes.answers import code_answer
from tasks.codes.limits import limit_errors
from tasks.codes.messages import AddCodes, NewCode
from tasks.codes.text_holders import CODE_IS_TAKEN, TextHolders, lock_holders
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.parsing import shortened
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction


@contract_task("vouchers.add_codes", message=AddCodes, first_answer=AnswerTable.WRITE_ANSWERS)
def add(request: AddCodes) -> Answer:
    """Add up to 1,000 codes to a voucher, all or none."""
    delivery = delivery_id()
    return run_in_transaction(lambda session: add_codes_to_voucher(session, request, delivery=delivery))


def add_codes_to_voucher(session: Session, request: AddCodes, *, delivery: str | None = None) -> Answer:
    """Add codes once for each request id or delivery, and return the first answer to every repetition.

    The codes of a retired voucher are retired, and become available together with the voucher.
    Raises NotFound if the voucher does not exist. Raises InvalidRequest if any code is taken or any limit exceeds the
    voucher's.
    """
    holders = lock_holders(
        session,
        project=request.project,
        codes=[each.code for each in request.codes],
        locking=[(request.project, request.voucher)],
    )
    return answer_once(
        session,
        request,
        task="vouchers.add_codes",
        delivery=delivery,
        conflict=lambda: conflict_answer("list", project=request.project, request_id=request.request_id),
        work=lambda: _add(session, request, holders=holders),
    )


def _add(session: Session, request: AddCodes, *, holders: TextHolders) -> Answer:
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    errors = [
        {"field": f"codes.{index}.{name}", "message": message}
        for index, code in enumerate(request.codes)
        for name, message in _errors_of(code, voucher=voucher, holders=holders)
    ]
    if errors:
        raise InvalidRequest(shortened(errors, count=len(errors)))
    holders.retire_replaceable(session, codes=[each.code for each in request.codes])
    created_at = read_clock(session)
    rows = [_values_of(each, voucher=voucher, created_at=created_at) for each in request.codes]
    add_codes(session, rows=rows)
    kind, count = VoucherChangeKind.CODES_ADDED, len(rows)
    change = NewChange(
        project=voucher.project,
        voucher_id=voucher.id,
        kind=kind,
        actor=request.actor,
        created_at=created_at,
        codes=count,
    )
    add_changes(session, change)
    return {"object": "list", "items": [code_answer(_as_stored(row), voucher=voucher) for row in rows]}


def _errors_of(code: NewCode, *, voucher: ShownVoucherRow, holders: TextHolders) -> Iterator[tuple[str, str]]:
    if code.code.lower() in holders.taken:
        yield "code", CODE_IS_TAKEN
    yield from limit_errors(code, voucher=voucher)


def _values_of(code: NewCode, *, voucher: ShownVoucherRow, created_at: datetime) -> dict[str, Any]:
    return {
        "project": voucher.project,
        "id": new_id(),
        "voucher_id": voucher.id,
        "code": code.code,
        "created_at": created_at,
        "is_primary": False,
        "maximum_redemptions": code.maximum_redemptions,
        "maximum_redemptions_per_customer": code.maximum_redemptions_per_customer,
        "expires_at": code.expires_at,
        "customer": code.customer,
        "generation_id": None,
    }


def _as_stored(values: Mapping[str, Any]) -> SimpleNamespace:
    as_new = {"redemptions": 0, "places_returned": 0, "retired_reason": None, "retired_at": None, "updated_at": None}
    return SimpleNamespace(**values, **as_new)
