"""Query numbered pages of vouchers with their total, as some public APIs have them.

The cost grows with the number of the page, and the cost of the total grows with the project. Every page from a cursor
costs the same.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from models.vouchers.row_types import VoucherRow
from models.vouchers.voucher import VOUCHERS

# Ids are UUIDv7, so they sort in the order of creation.
_SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": VOUCHERS.c.id,
    "name": VOUCHERS.c.name,
    "code": VOUCHERS.c.code,
    "redemptions_count": VOUCHERS.c.redemptions - VOUCHERS.c.places_returned,
    "ends_at": VOUCHERS.c.expires_at,
}


def find_page(
    session: Session, *, project: str, query: str | None, sorting: Sequence[str], limit: int, offset: int
) -> tuple[Sequence[VoucherRow], int]:
    """Return a page of the vouchers that are not retired by hand, and their total.

    `query` is searched in names with regard to case, and in codes without. `sorting` lists keys to sort by, with a
    minus for descending order.
    """
    conditions = _conditions(project=project, query=query)
    order = [*(_sorted_by(each) for each in sorting), VOUCHERS.c.id.desc()]
    page = select(VOUCHERS).where(*conditions).order_by(*order).limit(limit).offset(offset)
    total = select(func.count()).select_from(VOUCHERS).where(*conditions)
    return session.execute(page).all(), session.execute(total).scalar_one()


def _conditions(*, project: str, query: str | None) -> list[ColumnElement[bool]]:
    by_hand = RetiredReason.MANUAL_ACTION.value
    conditions = [VOUCHERS.c.project == project, VOUCHERS.c.retired_reason.is_distinct_from(by_hand)]
    if query is not None:
        in_name, in_code = (
            VOUCHERS.c.name.contains(query, autoescape=True),
            VOUCHERS.c.code.icontains(query, autoescape=True),
        )
        conditions.append(or_(in_name, in_code))
    return conditions


def _sorted_by(sort: str) -> ColumnElement[Any]:
    column = _SORTS[sort.removeprefix("-")]
    return column.desc() if sort.startswith("-") else column.asc()
