"""The budgets of vouchers: which of them a batch of invoices needs, and changing them with their voucher."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from models.base import StoredRow
from models.budget import BudgetKey, find_budgets, lock_budgets, lock_budgets_of, set_budgets, spend_budgets
from tasks.invoice_messages import Apply
from tasks.voucher_messages import UpdateVoucher

VoucherKey = tuple[str, UUID]


class Budgets:
    """What is left of the budgets that a batch of invoices needs, and what the batch takes of it."""

    def __init__(self, left: Mapping[BudgetKey, int]) -> None:
        self._before = left
        self._left: defaultdict[VoucherKey, dict[str, int]] = defaultdict(dict)
        for (project, voucher_id, currency), left_minor in left.items():
            self._left[project, voucher_id][currency] = left_minor

    @classmethod
    def locked(cls, session: Session, *, discounts: Sequence[StoredRow], invoices: Iterable[Apply]) -> "Budgets":
        """This method will lock them, after the discounts; where no discount has one it asks nothing."""
        keys = _keys(discounts, invoices=invoices)
        return cls(lock_budgets(session, keys=keys) if keys else {})

    @classmethod
    def read(cls, session: Session, *, discounts: Sequence[StoredRow], invoices: Iterable[Apply]) -> "Budgets":
        """This method will read them without a lock."""
        keys = _keys(discounts, invoices=invoices)
        return cls(find_budgets(session, keys=keys) if keys else {})

    def left_of(self, discount: StoredRow) -> dict[str, int] | None:
        """This method will return what is left for a discount, by currency, or None where no budget limits it.

        All the discounts of a voucher share it: whoever takes something subtracts it there.
        """
        return self._left[discount.project, discount.voucher_id] if discount.has_budget else None

    def save(self, session: Session) -> None:
        """This method will write what was taken since they were locked, if anything was."""
        taken = {key: left_minor - self._left[key[:2]][key[2]] for key, left_minor in self._before.items()}
        spent = {key: amount_minor for key, amount_minor in taken.items() if amount_minor}
        if spent:
            spend_budgets(session, spent=spent)


def _keys(discounts: Iterable[StoredRow], *, invoices: Iterable[Apply]) -> set[BudgetKey]:
    limited = [each for each in discounts if each.has_budget]
    if not limited:
        return set()
    currencies: dict[tuple[str, str], set[str]] = {}
    for invoice in invoices:
        currencies.setdefault((invoice.project, invoice.subscription), set()).add(invoice.currency)
    return {
        (each.project, each.voucher_id, currency)
        for each in limited
        for currency in currencies.get((each.project, each.subscription), ())
    }


def refill_budgets(session: Session, *, discounts: Iterable[StoredRow], entries: Iterable[StoredRow]) -> None:
    """This function will give budgets back what those entries of locked discounts took; without one it asks nothing.

    It locks the budgets first, in order, as whoever takes of them does.
    """
    limited = {each.id: each for each in discounts if each.has_budget}
    taken: defaultdict[BudgetKey, int] = defaultdict(int)
    for entry in entries:
        if entry.discount_id in limited:
            taken[entry.project, limited[entry.discount_id].voucher_id, entry.currency] -= entry.amount_minor
    if taken:
        lock_budgets(session, keys=taken)
        spend_budgets(session, spent=taken)


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
