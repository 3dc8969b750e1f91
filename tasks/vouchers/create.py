"""Create vouchers."""

from collections.abc import Mapping
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy.orm import Session

from domain.imported_history import ImportedHistory, retirement_of
from domain.terms import RetiredReason
from domain.voucher_change import VoucherChangeKind
from models.base import ids_at, read_clock
from models.vouchers.budget import set_budgets
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_creation
from models.vouchers.writes import add_voucher
from tasks.codes.primary import add_primary_code
from tasks.codes.text_holders import lock_holders, primary_code
from tasks.intake.task import contract_task, delivery_id
from tasks.vouchers.amounts import new_amounts
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.messages import CreateVoucher
from tasks.vouchers.prices import stored_amounts, stored_phases
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


@contract_task("vouchers.create", message=CreateVoucher, first_answer=AnswerTable.VOUCHERS)
def create(request: CreateVoucher) -> Answer:
    """Create a voucher."""
    delivery = delivery_id()
    return run_in_transaction(lambda session: create_voucher(session, request, delivery=delivery))


def create_voucher(
    session: Session,
    request: CreateVoucher,
    *,
    delivery: str | None = None,
    history: ImportedHistory | None = None,
    body_fingerprint: bytes | None = None,
) -> Answer:
    """Create a voucher once for each request id, and return the first answer to every repetition.

    Without a request id, the voucher is created once for each delivery id; without either, in each call. An imported
    voucher has a history, and the fingerprint of the body from the other system.
    Raises InvalidRequest if the code belongs to another available voucher, unless the imported voucher is retired.
    """
    fingerprint, now = body_fingerprint or request.fingerprint(), read_clock(session)
    wanted = [request.code] if request.code is not None else []
    holders = lock_holders(session, project=request.project, codes=wanted) if wanted else None
    key = _creation_key(request, delivery=delivery)
    if key:
        # The stored creation is read after the code. If another delivery has created the voucher in between, this must
        # be a replay, not a code that is taken.
        stored = find_creation(session, project=request.project, key=key)
        if stored is not None:
            if stored.fingerprint == fingerprint and stored.creation_answer is not None:
                return stored.creation_answer
            return conflict_answer("voucher", project=request.project, request_id=request.request_id)
    values = values_of(request, created_at=now)
    values |= _history_values(request, history=history, now=now)
    answer = voucher_answer(SimpleNamespace(**values)) | new_amounts(values["budget_minor"])
    if key:
        values |= {**key, "fingerprint": fingerprint, "creation_answer": answer}
    add_voucher(session, values=values)
    if values["budget_minor"]:
        set_budgets(session, project=request.project, voucher_id=values["id"], amounts_minor=values["budget_minor"])
    if holders:
        new = primary_code(values["code"], voucher=values)
        add_primary_code(session, new=new, retired_reason=values["retired_reason"], holders=holders, now=now)
    _add_history(session, values, actor=request.actor)
    return answer


def _add_history(session: Session, values: Mapping[str, Any], *, actor: str | None) -> None:
    kinds = [VoucherChangeKind.CREATED]
    # An imported coupon may have been withdrawn in the other system.
    if values["retired_reason"] == RetiredReason.MANUAL_ACTION:
        kinds.append(VoucherChangeKind.RETIRED)
    at = values["created_at"]
    add_changes(
        session,
        *(
            NewChange(project=values["project"], voucher_id=values["id"], kind=kind, actor=actor, created_at=at)
            for kind in kinds
        ),
    )


def _creation_key(request: CreateVoucher, *, delivery: str | None) -> dict[str, str]:
    if request.request_id is not None:
        return {"request_id": request.request_id}
    return {} if delivery is None else {"delivery_id": delivery}


def _history_values(request: CreateVoucher, *, history: ImportedHistory | None, now: datetime) -> dict[str, Any]:
    restrictions = request.restrictions
    retirement = history and retirement_of(
        history, maximum_redemptions=restrictions.maximum_redemptions, expires_at=restrictions.expires_at, now=now
    )
    redemptions = history.redemptions if history else 0
    return {
        "redemptions": redemptions,
        "imported_redemptions": redemptions,
        "places_returned": 0,
        "updated_at": None,
        "retired_reason": retirement and retirement.reason.value,
        "retired_at": retirement and retirement.at,
    }


def values_of(request: CreateVoucher, *, created_at: datetime) -> dict[str, Any]:
    """Return the columns of a new voucher that the request decides."""
    card, maximum, budget = request.stamp_card, request.maximum_discount, request.budget
    in_all = request.maximum_discount_in_all
    restrictions, price, minimum = request.restrictions, request.price_discount, request.restrictions.minimum_subtotal
    return {
        "project": request.project,
        # Lists find vouchers of a span of time by their ids.
        "id": next(ids_at(created_at)),
        "created_at": created_at,
        "name": request.name,
        "code": request.code,
        "campaign": request.campaign,
        "percentage_millionths": request.price_discount_percentage,
        "amounts_minor": stored_amounts(price),
        "currency": None if price is None else price.currency,
        "recurrence": request.recurrence.type,
        "duration_in_months": request.recurrence.whole_in_months(),
        "duration_in_cycles": request.recurrence.whole_in_cycles(),
        "phases": stored_phases(request.recurrence.phases),
        "carry_over": request.carry_over,
        "exclusive": request.exclusive,
        "priority": request.priority,
        "stamps_required": None if card is None else card.stamps,
        "stamp_expire_days": None if card is None else card.expire_days,
        "starts_at": restrictions.starts_at,
        "expires_at": restrictions.expires_at,
        "maximum_redemptions": restrictions.maximum_redemptions,
        "maximum_redemptions_per_customer": restrictions.maximum_redemptions_per_customer,
        "products": restrictions.products,
        "excluded_products": restrictions.excluded_products,
        "first_purchase_only": restrictions.first_purchase_only,
        "minimum_subtotal_minor": None if minimum is None else minimum.amount,
        "minimum_subtotal_currency": None if minimum is None else minimum.currency,
        "minimum_subtotal_on_invoice": minimum is not None and minimum.on == "invoice",
        "metadata": request.metadata,
        "maximum_discount_minor": stored_amounts(maximum),
        "maximum_discount_currency": None if maximum is None else maximum.currency,
        "maximum_discount_in_all_minor": stored_amounts(in_all),
        "maximum_discount_in_all_currency": None if in_all is None else in_all.currency,
        "budget_minor": stored_amounts(budget),
        "budget_currency": None if budget is None else budget.currency,
    }
