"""Change the budgets of a voucher in an update of the voucher."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from models.vouchers.budget import lock_budgets_of, set_budgets
from models.vouchers.row_types import ShownVoucherRow
from tasks.vouchers.messages import UpdateVoucher


def lock_and_check_budgets(session: Session, request: UpdateVoucher, *, row: ShownVoucherRow) -> list[dict[str, str]]:
    """Lock a voucher's budgets if the update changes them, and return an error for each that is less than was spent."""
    if request.budget is None or row.budget_minor is None:
        return []
    amounts = {request.budget.currency: request.budget.amount, **request.budget.currency_options}
    budgets = lock_budgets_of(session, project=row.project, voucher_id=row.id)
    below = [each.currency for each in budgets if amounts.get(each.currency, each.spent_minor) < each.spent_minor]
    return [
        {
            "field": "budget.amount" if each == request.budget.currency else f"budget.currencyOptions.{each}",
            "message": "must not be below what is spent already",
        }
        for each in below
    ]


def has_other_currencies(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> bool:
    """Return whether a budget is added, removed, or has other currencies."""
    return set(before or ()) != set(after or ())


def change_budgets(session: Session, *, row: ShownVoucherRow, amounts_minor: Mapping[str, int] | None) -> None:
    """Replace the budgets of a locked voucher, or do nothing if they are the same. The amounts are minor units."""
    if amounts_minor != row.budget_minor:
        set_budgets(session, project=row.project, voucher_id=row.id, amounts_minor=amounts_minor or {})
