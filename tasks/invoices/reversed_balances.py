"""The balances that a reversal refills, with what is left of them afterwards."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy.orm import Session

from domain.allowance import is_used_up
from domain.terms import FixedDiscount
from models.discounts.row_types import DiscountRow
from models.invoices.taken import taken_in_total
from models.vouchers.values import price_discount_of


def used_up_balances(
    session: Session, *, discounts: Iterable[DiscountRow], reversed_minor: Mapping[UUID, int], currency: str
) -> set[UUID]:
    """Return the balances of which nothing is left although this reversal gives back `reversed_minor` of each.

    Call it after locking the discounts. If none carries over, send no statement.
    """
    balances = [each for each in discounts if each.carry_over]
    if not balances:
        return set()
    totals = taken_in_total(session, keys=[(each.project, each.id) for each in balances])
    left_minor = {
        each.id: {**taken, currency: taken.get(currency, 0) - reversed_minor[each.id]}
        for each, taken in zip(balances, totals, strict=True)
    }
    return {each.id for each in balances if _is_used_up(each, taken_minor=left_minor[each.id])}


def _is_used_up(row: DiscountRow, *, taken_minor: Mapping[str, int]) -> bool:
    price = price_discount_of(row)
    return isinstance(price, FixedDiscount) and is_used_up(price.amounts_minor, taken_minor=taken_minor)
