"""Change the budgets of a voucher together with the voucher."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from models.base import StoredRow
from models.vouchers.budget import lock_budgets_of, set_budgets
from tasks.vouchers.messages import UpdateVoucher


def lock_budget(session: Session, request: UpdateVoucher, *, row: StoredRow) -> list[dict[str, str]]:
    """This function will lock the voucher's budgets where they are changed, and name what is below what was spent."""
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
    """This function will tell whether a budget comes, goes, or names other currencies."""
    return set(before or ()) != set(after or ())


def change_budget(session: Session, *, row: StoredRow, amounts_minor: Mapping[str, int] | None) -> None:
    """This function will give a locked voucher its new budgets; where nothing changes it asks nothing."""
    if amounts_minor != row.budget_minor:
        set_budgets(session, project=row.project, voucher_id=row.id, amounts_minor=amounts_minor or {})
