"""The answers about codes and generations of codes."""

from domain.code_terms import CodeRetiredReason, CodeRetirement, retirement_by_voucher, smaller_limit
from domain.terms import RetiredReason
from models.codes.row_types import CodeRow, GenerationRow
from models.vouchers.counters import places_taken
from models.vouchers.row_types import ShownVoucherRow
from tasks.wire.answers import Answer, instant
from tasks.wire.fields import type_id


def code_answer(row: CodeRow, *, voucher: ShownVoucherRow) -> Answer:
    """Return a code as callers see it: the smaller limits count, and so does the retirement of the voucher."""
    retirement = _retirement(row, voucher=voucher)
    return {
        "object": "code",
        "id": type_id("voc", row.id),
        "project": row.project,
        "voucher": type_id("vou", row.voucher_id),
        "code": row.code,
        "createdAt": instant(row.created_at),
        "updatedAt": instant(row.updated_at),
        "customer": row.customer,
        "maximumRedemptions": smaller_limit(row.maximum_redemptions, of_voucher=voucher.maximum_redemptions),
        "maximumRedemptionsPerCustomer": smaller_limit(
            row.maximum_redemptions_per_customer, of_voucher=voucher.maximum_redemptions_per_customer
        ),
        "expiresAt": instant(smaller_limit(row.expires_at, of_voucher=voucher.expires_at)),
        "redemptions": places_taken(row),
        "status": "available" if retirement is None else "retired",
        "retiredReason": retirement and retirement.reason.value,
        "retiredAt": retirement and instant(retirement.at),
    }


def generation_answer(row: GenerationRow) -> Answer:
    """Return a generation of codes, which has the status `generating` until all codes exist."""
    return {
        "object": "codeGeneration",
        "id": type_id("gen", row.id),
        "project": row.project,
        "voucher": type_id("vou", row.voucher_id),
        "count": row.requested,
        "generated": row.generated,
        "status": "completed" if row.generated == row.requested else "generating",
    }


def _retirement(row: CodeRow, *, voucher: ShownVoucherRow) -> CodeRetirement | None:
    if row.retired_reason is not None and row.retired_at is not None:
        return CodeRetirement(reason=CodeRetiredReason(row.retired_reason), at=row.retired_at)
    if voucher.retired_reason is not None and voucher.retired_at is not None:
        return retirement_by_voucher(reason=RetiredReason(voucher.retired_reason), at=voucher.retired_at)
    return None
