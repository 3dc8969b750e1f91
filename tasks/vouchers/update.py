"""Update vouchers. After the first redemption, the money terms can no longer be changed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.voucher_change import VoucherChangeKind, changed_fields
from domain.voucher_update import UpdateRefusal, retired_reason_after
from models.base import read_clock
from models.redemptions.open_holds import count_held
from models.vouchers.change import NewChange, add_changes
from models.vouchers.counters import places_taken
from models.vouchers.look_up import find_voucher
from models.vouchers.row_types import VoucherRow
from models.vouchers.writes import change_voucher
from tasks.codes.primary import change_primary_code
from tasks.codes.text_holders import TextHolders, lock_holders
from tasks.intake.task import contract_task, delivery_id
from tasks.vouchers.amounts import shown_voucher
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.budgets import change_budgets, has_other_currencies, lock_and_check_budgets
from tasks.vouchers.columns import values_of
from tasks.vouchers.merge import merged_voucher
from tasks.vouchers.messages import UpdateVoucher
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.fields import type_id
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import ChangedMeanwhileError, run_in_transaction

# A discount copies these terms when it is granted, and all discounts of a voucher must have the same terms.
MONEY_TERMS = (
    "percentage_millionths",
    "amounts_minor",
    "currency",
    "recurrence",
    "duration_in_months",
    "duration_in_cycles",
    "phases",
    "carry_over",
    "exclusive",
    "priority",
    "stamps_required",
    "stamp_expire_days",
    "maximum_discount_minor",
    "maximum_discount_currency",
    "maximum_discount_in_all_minor",
    "maximum_discount_in_all_currency",
    "budget_currency",
)


@contract_task("vouchers.update", message=UpdateVoucher, first_answer=AnswerTable.WRITE_ANSWERS)
def update(request: UpdateVoucher) -> Answer:
    """Change the fields of a voucher that were sent."""
    delivery = delivery_id()
    return run_in_transaction(lambda session: update_voucher(session, request, delivery=delivery))


def update_voucher(session: Session, request: UpdateVoucher, *, delivery: str | None = None) -> Answer:
    """Update a voucher once for each request id, and return the first answer to every repetition.

    A voucher that is retired as expired or full becomes available if the update removes the cause.
    Raises NotFound if the voucher does not exist, and InvalidRequest if the updated voucher would be invalid.
    """
    row, holders = lock_for_update(session, request)
    return answer_once(
        session,
        request,
        task="vouchers.update",
        delivery=delivery,
        conflict=lambda: _refused(request, UpdateRefusal.IDEMPOTENCY_CONFLICT),
        work=lambda: _update(session, request, row=row, holders=holders),
    )


def lock_for_update(session: Session, request: UpdateVoucher) -> tuple[VoucherRow | None, TextHolders]:
    """Lock everything that the update may change, and return the voucher's row and the codes with the wanted text."""
    # The vouchers of replaceable codes are locked together with this voucher, in the order of their ids.
    before = find_voucher(session, project=request.project, id=request.voucher)
    code = _wanted_code(request, row=before)
    holders = lock_holders(
        session,
        project=request.project,
        codes=[] if code is None else [code],
        locking=[(request.project, request.voucher)],
    )
    row = find_voucher(session, project=request.project, id=request.voucher)
    if _wanted_code(request, row=row) != code:
        raise ChangedMeanwhileError
    return row, holders


def _wanted_code(request: UpdateVoucher, *, row: VoucherRow | None) -> str | None:
    return request.code if row is None or "code" in request.model_fields_set else row.code


def _update(session: Session, request: UpdateVoucher, *, row: VoucherRow | None, holders: TextHolders) -> Answer:
    if row is None:
        raise NotFound("voucher")
    budget_errors = lock_and_check_budgets(session, request, row=row)
    now = read_clock(session)
    held = count_held(session, voucher=row, now=now)
    values = _updated_values(request, row=row, held=held, errors=budget_errors)
    refusal = _refusal(row, values=values, held=held)
    if refusal is not None:
        return _refused(request, refusal)
    values |= _retirement(row, values=values, now=now)
    change_primary_code(session, voucher=row, changed=values, holders=holders, now=now)
    change_budgets(session, row=row, amounts_minor=values["budget_minor"])
    changed = change_voucher(session, project=row.project, id=row.id, values={**values, "updated_at": now})
    add_changes(session, _change_of(request, before=row, after=changed, at=now))
    return shown_voucher(session, changed)


def _change_of(request: UpdateVoucher, *, before: VoucherRow, after: VoucherRow, at: datetime) -> NewChange:
    # Every update changes `updatedAt`, which is the instant of the change itself.
    shown = ({**voucher_answer(row), "updatedAt": None} for row in (before, after))
    fields_before, fields_after = changed_fields(*shown)
    if "restrictions" in fields_before:
        # An update replaces each restriction by itself.
        parts = changed_fields(fields_before["restrictions"], fields_after["restrictions"])
        fields_before["restrictions"], fields_after["restrictions"] = parts
    return NewChange(
        project=before.project,
        voucher_id=before.id,
        kind=VoucherChangeKind.UPDATED,
        actor=request.actor,
        created_at=at,
        before=fields_before,
        after=fields_after,
    )


def _refusal(row: VoucherRow, *, values: Mapping[str, Any], held: int) -> UpdateRefusal | None:
    is_promise_changed = _is_promise_changed(row, values=values)
    if row.redemptions and is_promise_changed:
        return UpdateRefusal.VOUCHER_ALREADY_REDEEMED
    # A hold promises the present terms. The products and the minimum of invoices are among them, because the discount
    # copies them.
    if held and (is_promise_changed or _is_copy_changed(row, values=values)):
        return UpdateRefusal.VOUCHER_HELD
    return None


def _is_copy_changed(row: VoucherRow, *, values: Mapping[str, Any]) -> bool:
    names = ("products", "excluded_products")
    are_products_changed = any(set(getattr(row, name) or ()) != set(values[name] or ()) for name in names)
    is_minimum_of_invoices = row.minimum_subtotal_on_invoice or values["minimum_subtotal_on_invoice"]
    columns = ("minimum_subtotal_minor", "minimum_subtotal_currency", "minimum_subtotal_on_invoice")
    is_minimum_changed = any(values[name] != getattr(row, name) for name in columns)
    return are_products_changed or (is_minimum_of_invoices and is_minimum_changed)


def _is_promise_changed(row: VoucherRow, *, values: Mapping[str, Any]) -> bool:
    is_term_changed = any(values[name] != getattr(row, name) for name in MONEY_TERMS)
    return is_term_changed or has_other_currencies(row.budget_minor, values["budget_minor"])


def _updated_values(
    request: UpdateVoucher, *, row: VoucherRow, held: int, errors: list[dict[str, str]]
) -> dict[str, Any]:
    """Return all columns that an update can change, with the values of the updated voucher."""
    merged, errors = None, _count_errors(request, taken=places_taken(row) + held) + errors
    try:
        merged = merged_voucher(request, row=row)
    except InvalidRequest as error:
        errors += error.errors
    if merged is None or errors:
        raise InvalidRequest(errors)
    values = values_of(merged, id=row.id, created_at=row.created_at)
    return {name: value for name, value in values.items() if name not in {"project", "id", "created_at"}}


def _count_errors(request: UpdateVoucher, *, taken: int) -> list[dict[str, str]]:
    maximum = request.restrictions.maximum_redemptions if request.restrictions else None
    if maximum is None or maximum >= taken:
        return []
    return [{"field": "restrictions.maximumRedemptions", "message": "must not be below what is redeemed or held"}]


def _retirement(row: VoucherRow, *, values: dict[str, Any], now: datetime) -> dict[str, Any]:
    before = None if row.retired_reason is None else RetiredReason(row.retired_reason)
    after = retired_reason_after(
        before,
        expires_at=values["expires_at"],
        maximum_redemptions=values["maximum_redemptions"],
        redemptions=places_taken(row),
        now=now,
    )
    if after is RetiredReason.EXPIRED:
        return {"retired_reason": after.value, "retired_at": values["expires_at"]}
    if after is before:
        return {"retired_reason": row.retired_reason, "retired_at": row.retired_at}
    return {"retired_reason": after and after.value, "retired_at": after and now}


def _refused(request: UpdateVoucher, reason: UpdateRefusal) -> Answer:
    return {
        "object": "voucher",
        "id": type_id("vou", request.voucher),
        "project": request.project,
        "requestId": request.request_id,
        "outcome": "refused",
        "reason": reason.value,
    }
