"""Add codes to a voucher."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from models.base import StoredRow, new_id, read_clock
from models.codes.code import add_codes
from models.vouchers.look_up import find_voucher
from tasks.codes.answers import code_answer
from tasks.codes.limits import limit_problems
from tasks.codes.messages import AddCodes, NewCode
from tasks.codes.text_holders import CODE_IS_TAKEN, TextHolders, lock_holders
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.replay import answer_once
from tasks.wire.task import contract_task, delivery_id
from worker.database import run_in_transaction


@contract_task("vouchers.add_codes", message=AddCodes)
def add(request: AddCodes) -> Answer:
    """This task will add up to 1,000 codes to a voucher, all of them or none."""
    key = delivery_id()
    return run_in_transaction(lambda session: add_codes_to_voucher(session, request, task_id=key))


def add_codes_to_voucher(session: Session, request: AddCodes, *, task_id: str | None = None) -> Answer:
    """This function will add the codes once for each request id or task, and answer the same for ever.

    A voucher that is retired gets them too: they are retired with it, and come back with it.
    Raises NotFound where there is no such voucher, and InvalidRequest with every code that is taken or whose
    limits exceed the voucher's.
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
        delivery=task_id,
        conflict=lambda: conflict_answer("list", project=request.project, request_id=request.request_id),
        work=lambda: _add(session, request, holders=holders),
    )


def _add(session: Session, request: AddCodes, *, holders: TextHolders) -> Answer:
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    errors = [
        {"field": f"codes.{index}.{name}", "message": message}
        for index, code in enumerate(request.codes)
        for name, message in _problems_of(code, voucher=voucher, holders=holders)
    ]
    if errors:
        raise InvalidRequest(errors)
    holders.release(session)
    created_at = read_clock(session)
    rows = [_values_of(each, voucher=voucher, created_at=created_at) for each in request.codes]
    add_codes(session, rows=rows)
    return {"object": "list", "items": [code_answer(_as_stored(row), voucher=voucher) for row in rows]}


def _problems_of(code: NewCode, *, voucher: StoredRow, holders: TextHolders) -> Iterator[tuple[str, str]]:
    if code.code.lower() in holders.taken:
        yield "code", CODE_IS_TAKEN
    yield from limit_problems(code, voucher=voucher)


def _values_of(code: NewCode, *, voucher: StoredRow, created_at: datetime) -> dict[str, Any]:
    return {
        "project": voucher.project,
        "id": new_id(),
        "voucher_id": voucher.id,
        "code": code.code,
        "created_at": created_at,
        "is_primary": False,
        "maximum_redemptions": code.maximum_redemptions,
        "expires_at": code.expires_at,
        "customer": code.customer,
        "generation_id": None,
    }


def _as_stored(values: Mapping[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(**values, redemptions=0, places_returned=0, retired_reason=None, retired_at=None)
