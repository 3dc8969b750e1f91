"""The balances of discounts, with what is left of them after all reversals."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.orm import Session

from domain.allowance import is_used_up
from domain.terms import FixedDiscount
from models.discounts.row_types import DiscountRow
from models.invoices.taken import taken_in_total
from models.vouchers.values import price_discount_of

# Minor units by discount and currency.
Amounts = Mapping[tuple[UUID, str], int]
NOTHING: Amounts = MappingProxyType({})


def used_up_balances(session: Session, *, discounts: Iterable[DiscountRow], without: Amounts = NOTHING) -> set[UUID]:
    """Return the balances of which nothing is left, as if the amounts `without` had not been taken.

    Call it after locking the discounts. If none carries over, send no statement.
    """
    balances = [each for each in discounts if each.carry_over]
    if not balances:
        return set()
    totals = taken_in_total(session, keys=[(each.project, each.id) for each in balances])
    return {
        row.id
        for row, taken in zip(balances, totals, strict=True)
        if _is_used_up(
            row, taken_minor={currency: taken[currency] - without.get((row.id, currency), 0) for currency in taken}
        )
    }


def _is_used_up(row: DiscountRow, *, taken_minor: Mapping[str, int]) -> bool:
    price = price_discount_of(row)
    return isinstance(price, FixedDiscount) and is_used_up(price.amounts_minor, taken_minor=taken_minor)
