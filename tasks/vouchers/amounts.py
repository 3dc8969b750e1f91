"""The amounts that a voucher shows: given by its discounts, and spent and left of its budget."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from models.vouchers.given import VoucherAmountsRow, find_amounts
from models.vouchers.row_types import ShownVoucherRow
from tasks.vouchers.answers import voucher_answer
from tasks.wire.answers import Answer
from tasks.wire.fields import uuid_of


def shown_voucher(session: Session, row: ShownVoucherRow) -> Answer:
    """Return a voucher as callers see it, with its amounts."""
    (answer,) = with_amounts(session, [voucher_answer(row)], project=row.project)
    return answer


def with_amounts(session: Session, vouchers: Sequence[Answer], *, project: str) -> list[Answer]:
    """Return answers about vouchers with their amounts, in minor units by currency, in one statement for all."""
    ids = [uuid_of(each["id"]) for each in vouchers]
    rows = _by_voucher(find_amounts(session, project=project, vouchers=ids) if ids else ())
    return [voucher | _amounts(rows[id_]) for voucher, id_ in zip(vouchers, ids, strict=True)]


def _by_voucher(rows: Iterable[VoucherAmountsRow]) -> defaultdict[UUID, list[VoucherAmountsRow]]:
    by_voucher: defaultdict[UUID, list[VoucherAmountsRow]] = defaultdict(list)
    for row in rows:
        by_voucher[row.voucher_id].append(row)
    return by_voucher


def _amounts(rows: Sequence[VoucherAmountsRow]) -> Answer:
    return {
        "given": {each.currency: each.given_minor for each in rows if each.given_minor},
        "spent": {each.currency: each.spent_minor for each in rows if each.spent_minor is not None} or None,
        "left": {each.currency: each.left_minor for each in rows if each.left_minor is not None} or None,
    }


def new_amounts(budget_minor: Mapping[str, int] | None) -> Answer:
    """Return the amounts of a new voucher, which has given nothing. The budget is in minor units by currency."""
    spent = None if budget_minor is None else dict.fromkeys(budget_minor, 0)
    return {"given": {}, "spent": spent, "left": budget_minor}
