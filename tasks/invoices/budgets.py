"""The budgets that limit the discounts of a batch of invoices."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from models.base import StoredRow
from models.vouchers.budget import BudgetKey, find_budgets, lock_budgets, spend_budgets
from tasks.invoices.messages import Apply

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
