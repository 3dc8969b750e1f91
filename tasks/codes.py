"""Adding codes to a voucher, retiring one, and listing them."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.code import CodeRetiredReason, Retirement, retirement_by_clock
from models.base import StoredRow, new_id, read_clock
from models.code import add_codes
from models.code_holding import retire_codes, retire_taken_over
from models.code_listing import CodeListing, CodeStatus, find_code, newer_codes, older_codes
from models.voucher import find_voucher, lock_vouchers
from tasks.answered import answer_once
from tasks.answers import conflict_answer
from tasks.code_answers import code_answer
from tasks.code_limits import limit_problems
from tasks.code_messages import AddCodes, CodeReference, ListCodes, NewCode
from tasks.code_texts import CODE_IS_TAKEN, Holders, lock_holders
from tasks.paging import page_answer
from tasks.wire import Answer, InvalidRequest, NotFound, contract_task, delivery_id
from worker.db import run_in_transaction, transaction


@contract_task("vouchers.add_codes", message=AddCodes)
def add(request: AddCodes) -> Answer:
    """This task will add up to 1,000 codes to a voucher, all of them or none."""
    key = delivery_id()
    return run_in_transaction(lambda session: add_codes_to_voucher(session, request, task_id=key))


@contract_task("codes.retire", message=CodeReference)
def retire(request: CodeReference) -> Answer:
    """This task will end new redemptions by a code. What was granted by it runs on."""
    with transaction() as session:
        return retire_code(session, request)


@contract_task("codes.list", message=ListCodes)
def list_(request: ListCodes) -> Answer:
    """This task will answer a page of the voucher's codes, and where the next and the previous one begin."""
    with transaction() as session:
        return list_codes(session, request)


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


def retire_code(session: Session, request: CodeReference) -> Answer:
    """This function will retire the code, or leave it as it is where it was retired by itself before.

    One that has expired already is retired as that, as a sweep would have done it: the first reason stays. One
    that is retired with its voucher, or lost its text meanwhile, stays retired when its voucher comes back.
    Raises NotFound where there is no such code.
    """
    code = _found_code(find_code(session, project=request.project, id=request.code))
    lock_vouchers(session, keys=[(code.project, code.voucher_id)])
    now = read_clock(session)
    end = retirement_by_clock(expires_at=code.expires_at, voucher_expires_at=None, now=now)
    by_hand = Retirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)
    retire_codes(session, retirements={(code.project, code.id): end or by_hand})
    retire_taken_over(session, project=code.project, id=code.id, now=now)
    retired = _found_code(find_code(session, project=request.project, id=request.code))
    return code_answer(retired, voucher=_voucher(session, project=code.project, id=code.voucher_id))


def list_codes(session: Session, request: ListCodes) -> Answer:
    """This function will answer a page of the voucher's codes. Raises NotFound where there is no such voucher."""
    voucher = _voucher(session, project=request.project, id=request.voucher)
    listing = CodeListing(
        project=voucher.project, voucher_id=voucher.id, statuses=_own_statuses(request.status, voucher=voucher)
    )
    return page_answer(
        request,
        prefix="voc",
        item=lambda row: code_answer(row, voucher=voucher),
        older=lambda than, limit: older_codes(session, listing=listing, than=than, limit=limit),
        newer=lambda than, limit: newer_codes(session, listing=listing, than=than, limit=limit),
    )


def _own_statuses(shown: list[CodeStatus], *, voucher: StoredRow) -> frozenset[CodeStatus]:
    # All codes of a retired voucher are shown as retired.
    if voucher.retired_reason is None:
        return frozenset(shown)
    return frozenset(CodeStatus) if CodeStatus.RETIRED in shown else frozenset()


def _add(session: Session, request: AddCodes, *, holders: Holders) -> Answer:
    voucher = _voucher(session, project=request.project, id=request.voucher)
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


def _problems_of(code: NewCode, *, voucher: StoredRow, holders: Holders) -> Iterator[tuple[str, str]]:
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


def _voucher(session: Session, *, project: str, id: UUID) -> StoredRow:  # noqa: A002 - the column's name
    row = find_voucher(session, project=project, id=id)
    if row is None:
        raise NotFound("voucher")
    return row


def _found_code(row: StoredRow | None) -> StoredRow:
    if row is None:
        raise NotFound("code")
    return row
