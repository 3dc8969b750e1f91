"""Creating vouchers, looking at them, and retiring them by hand."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from domain.history import History, retirement_of
from domain.terms import RetiredReason
from models.base import StoredRow, new_id, read_clock
from models.budget import set_budgets
from models.voucher import add_voucher, find_creation, find_voucher, lock_vouchers, mark_retired
from tasks.answers import conflict_answer, voucher_answer
from tasks.code_texts import lock_holders, primary_code
from tasks.messages import CreateVoucher, PriceDiscount, VoucherReference
from tasks.primary_codes import add_primary_code
from tasks.wire import Answer, NotFound, contract_task, delivery_id
from worker.db import run_in_transaction, transaction


@contract_task("vouchers.create", message=CreateVoucher)
def create(request: CreateVoucher) -> Answer:
    """This task will create a voucher."""
    key = delivery_id()
    return run_in_transaction(lambda session: create_voucher(session, request, task_id=key))


@contract_task("vouchers.retrieve", message=VoucherReference)
def retrieve(request: VoucherReference) -> Answer:
    """This task will answer the voucher as it stands."""
    with transaction() as session:
        return retrieve_voucher(session, request)


@contract_task("vouchers.retire", message=VoucherReference)
def retire(request: VoucherReference) -> Answer:
    """This task will end new redemptions of a voucher. What it granted already runs on."""
    with transaction() as session:
        return retire_voucher(session, request)


def create_voucher(
    session: Session,
    request: CreateVoucher,
    *,
    task_id: str | None = None,
    history: History | None = None,
    body_fingerprint: bytes | None = None,
) -> Answer:
    """This function will create the voucher once for each request id, and answer the same for ever.

    Without a request id it is once for each task, whose message may be delivered twice; without either,
    each call creates one. What comes from another system has a history, and a body of its own to tell it by.
    Raises InvalidRequest where the code belongs to another voucher that can still be redeemed, unless this one is
    over in its history already.
    """
    fingerprint, now = body_fingerprint or request.fingerprint(), read_clock(session)
    wanted = [request.code] if request.code is not None else []
    holders = lock_holders(session, project=request.project, codes=wanted) if wanted else None
    key = _creation_key(request, task_id=task_id)
    if key:
        # Looked up after the code: whoever holds it may be this very request, delivered twice.
        stored = find_creation(session, project=request.project, key=key)
        if stored is not None:
            if stored.fingerprint == fingerprint:
                answer: Answer = stored.creation_answer
                return answer
            return conflict_answer("voucher", project=request.project, request_id=request.request_id)
    values = values_of(request, created_at=now)
    values |= _standing(request, history=history, now=now)
    answer = voucher_answer(SimpleNamespace(**values))
    if key:
        values |= {**key, "fingerprint": fingerprint, "creation_answer": answer}
    add_voucher(session, values=values)
    if values["budget_minor"]:
        set_budgets(session, project=request.project, voucher_id=values["id"], amounts_minor=values["budget_minor"])
    if holders:
        new = primary_code(values["code"], voucher=values)
        add_primary_code(session, new=new, retired_reason=values["retired_reason"], holders=holders, now=now)
    return answer


def retrieve_voucher(session: Session, request: VoucherReference) -> Answer:
    """This function will answer the voucher as it stands, or raise NotFound."""
    return voucher_answer(_found(find_voucher(session, project=request.project, id=request.voucher)))


def retire_voucher(session: Session, request: VoucherReference) -> Answer:
    """This function will retire the voucher, or leave it as it is where it was retired before.

    One that has expired already is retired as that, as a sweep would have done it: the first reason stays.
    Raises NotFound where there is no such voucher.
    """
    key = (request.project, request.voucher)
    lock_vouchers(session, keys=[key])
    row = _found(find_voucher(session, project=request.project, id=request.voucher))
    if row.retired_reason is not None:
        return voucher_answer(row)
    now = read_clock(session)
    if row.expires_at is not None and row.expires_at <= now:
        reason, retired_at = RetiredReason.EXPIRED, row.expires_at
    else:
        reason, retired_at = RetiredReason.MANUAL_ACTION, now
    return voucher_answer(mark_retired(session, project=row.project, id=row.id, reason=reason, retired_at=retired_at))


def _found(row: StoredRow | None) -> StoredRow:
    if row is None:
        raise NotFound("voucher")
    return row


def _creation_key(request: CreateVoucher, *, task_id: str | None) -> dict[str, str]:
    if request.request_id is not None:
        return {"request_id": request.request_id}
    return {} if task_id is None else {"delivery_id": task_id}


def _standing(request: CreateVoucher, *, history: History | None, now: datetime) -> dict[str, Any]:
    restrictions = request.restrictions
    retirement = history and retirement_of(
        history, maximum_redemptions=restrictions.maximum_redemptions, expires_at=restrictions.expires_at, now=now
    )
    redemptions = history.redemptions if history else 0
    return {
        "redemptions": redemptions,
        "imported_redemptions": redemptions,
        "places_returned": 0,
        "retired_reason": retirement and retirement.reason.value,
        "retired_at": retirement and retirement.at,
    }


def values_of(request: CreateVoucher, *, created_at: datetime) -> dict[str, Any]:
    """This function will return the columns of a new voucher."""
    card, maximum, budget = request.stamp_card, request.maximum_discount, request.budget
    restrictions, price, minimum = request.restrictions, request.price_discount, request.restrictions.minimum_subtotal
    return {
        "project": request.project,
        "id": new_id(),
        "created_at": created_at,
        "name": request.name,
        "code": request.code,
        "percentage_basis_points": request.price_discount_percentage,
        "amounts_minor": _amounts_minor(price),
        "currency": None if price is None else price.currency,
        "recurrence": request.recurrence.type,
        "duration_in_months": request.recurrence.duration_in_months,
        "duration_in_cycles": request.recurrence.duration_in_cycles,
        "carry_over": request.carry_over,
        "stamps_required": None if card is None else card.stamps,
        "stamp_expire_days": None if card is None else card.expire_days,
        "starts_at": restrictions.starts_at,
        "expires_at": restrictions.expires_at,
        "maximum_redemptions": restrictions.maximum_redemptions,
        "maximum_redemptions_per_customer": restrictions.maximum_redemptions_per_customer,
        "products": restrictions.products,
        "minimum_subtotal_minor": None if minimum is None else minimum.amount,
        "minimum_subtotal_currency": None if minimum is None else minimum.currency,
        "metadata": request.metadata,
        "maximum_discount_minor": _amounts_minor(maximum),
        "maximum_discount_currency": None if maximum is None else maximum.currency,
        "budget_minor": _amounts_minor(budget),
        "budget_currency": None if budget is None else budget.currency,
    }


def _amounts_minor(amounts: PriceDiscount | None) -> dict[str, int] | None:
    return None if amounts is None else {amounts.currency: amounts.amount, **amounts.currency_options}
