"""The totals of discounts, balances and maximums in all, with what is left of them after all reversals."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from uuid import UUID

from sqlalchemy.orm import Session

from domain.allowance import is_used_up
from models.discounts.row_types import DiscountRow
from models.invoices.taken import taken_in_total
from models.vouchers.total import total_minor_of

# Minor units by discount and currency.
Amounts = Mapping[tuple[UUID, str], int]
NOTHING: Amounts = MappingProxyType({})


def with_used_up_totals(session: Session, *, discounts: Iterable[DiscountRow], without: Amounts = NOTHING) -> set[UUID]:
    """Return the discounts with a total of which nothing is left, as if the amounts `without` had not been taken.

    Call it after locking the discounts. If none has a total, send no statement.
    """
    with_total = [(row, total) for row in discounts if (total := total_minor_of(row)) is not None]
    if not with_total:
        return set()
    taken_of_each = taken_in_total(session, keys=[(row.project, row.id) for row, _ in with_total])
    return {
        row.id
        for (row, total), taken in zip(with_total, taken_of_each, strict=True)
        if is_used_up(total, taken_minor={each: taken[each] - without.get((row.id, each), 0) for each in taken})
    }
