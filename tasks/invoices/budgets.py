"""The budgets that limit the discounts of a batch of invoices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from models.invoices.row_types import EntryRow
from models.vouchers.budget import BudgetKey, find_budgets, lock_budgets, spend_budgets
from tasks.invoices.messages import Apply


class LimitedDiscountRow(Protocol):
    """The columns of a discount that say which budget limits it, if `has_budget`."""

    project: str
    id: UUID
    voucher_id: UUID
    subscription: str
    has_budget: bool


class Budgets:
    """The rest of each budget that a batch of invoices needs, and the amounts that the batch takes of it."""

    def __init__(self, left_minor: Mapping[BudgetKey, int]) -> None:
        self._left_before_minor = left_minor
        self._left_minor: defaultdict[tuple[str, UUID], dict[str, int]] = defaultdict(dict)
        for (project, voucher_id, currency), amount_minor in left_minor.items():
            self._left_minor[project, voucher_id][currency] = amount_minor

    @classmethod
    def locked(
        cls, session: Session, *, discounts: Iterable[LimitedDiscountRow], invoices: Iterable[Apply]
    ) -> "Budgets":
        """Lock the budgets. Call it after locking the discounts. If no discount has a budget, send no statement."""
        keys = _keys(discounts, invoices=invoices)
        return cls(lock_budgets(session, keys=keys) if keys else {})

    @classmethod
    def read(cls, session: Session, *, discounts: Iterable[LimitedDiscountRow], invoices: Iterable[Apply]) -> "Budgets":
        """Read the budgets without a lock. If no discount has a budget, send no statement."""
        keys = _keys(discounts, invoices=invoices)
        return cls(find_budgets(session, keys=keys) if keys else {})

    def left_of(self, discount: LimitedDiscountRow) -> dict[str, int] | None:
        """Return the rest of a discount's budget, in minor units by currency, or None if it has no budget.

        All discounts of a voucher get the same dictionary: subtract an amount there, and all of them see it.
        """
        return self._left_minor[discount.project, discount.voucher_id] if discount.has_budget else None

    def save(self, session: Session) -> None:
        """Store the amounts taken from locked budgets. If nothing was taken, send no statement."""
        taken = {key: before - self._left_minor[key[:2]][key[2]] for key, before in self._left_before_minor.items()}
        spent = {key: amount_minor for key, amount_minor in taken.items() if amount_minor}
        if spent:
            spend_budgets(session, spent=spent)


def _keys(discounts: Iterable[LimitedDiscountRow], *, invoices: Iterable[Apply]) -> set[BudgetKey]:
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


def refill_budgets(session: Session, *, discounts: Iterable[LimitedDiscountRow], entries: Iterable[EntryRow]) -> None:
    """Lock the budgets of locked discounts, in order, and give back the amounts of the ledger entries.

    If no discount has a budget, send no statement.
    """
    limited = {each.id: each for each in discounts if each.has_budget}
    # Negative, because the amounts are given back.
    spent: defaultdict[BudgetKey, int] = defaultdict(int)
    for entry in entries:
        if entry.discount_id in limited:
            spent[entry.project, limited[entry.discount_id].voucher_id, entry.currency] -= entry.amount_minor
    if spent:
        lock_budgets(session, keys=spent)
        spend_budgets(session, spent=spent)
