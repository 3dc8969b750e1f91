"""The answers about discounts of another system: imported or refused."""

from domain.discount_import import ImportRefusal
from models.discounts.imported import ImportedDiscountRow
from models.redemptions.row_types import RedemptionRow
from tasks.discounts.messages import ImportDiscount
from tasks.wire.answers import Answer, day, identity, instant


def import_answer(row: ImportedDiscountRow, *, redemption: RedemptionRow) -> Answer:
    """Return the answer to an imported discount, with its state at that moment."""
    return {
        "object": "discountImport",
        "project": row.project,
        "ref": row.ref,
        "outcome": "imported",
        "reason": None,
        "retryable": False,
        "voucher": identity("vou", redemption.voucher_id),
        "customer": redemption.customer,
        "subscription": row.subscription,
        "discount": identity("dis", row.discount_id),
        "redemptionNumber": redemption.redemption_number,
        "status": row.status,
        "fullPriceFrom": day(row.ends_on),
        "importedAt": instant(row.created_at),
    }


def import_refused(request: ImportDiscount, reason: ImportRefusal) -> Answer:
    """Return a refusal, which is not stored."""
    return {
        "object": "discountImport",
        "project": request.project,
        "ref": request.ref,
        "outcome": "refused",
        "reason": reason.value,
        "retryable": reason is ImportRefusal.FULLY_RESERVED,
        "voucher": identity("vou", request.voucher),
        "customer": request.customer,
        "subscription": request.subscription,
        "discount": None,
        "redemptionNumber": None,
        "status": None,
        "fullPriceFrom": None,
        "importedAt": None,
    }
