"""The lines and the discounts of an invoice as they were billed, and the parts that a reversal reverses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Protocol, Self
from uuid import UUID

from domain.credit import CreditKind
from domain.reversal import BilledLine, Rest, ReversalKind, shares_of_refund
from domain.value_class import value
from models.discounts.locks import DiscountKey
from models.invoices.row_types import InvoiceRow
from tasks.wire.answers import Answer
from tasks.wire.fields import uuid_of


@value
class ReversedLine:
    """The reversed amount of a line, before discounts, and each discount's share of it, in minor units."""

    id: str
    amount_minor: int
    by_discount: Mapping[UUID, int]

    def share_minor(self) -> int:
        """Return the share of all discounts."""
        return sum(self.by_discount.values())

    def negative(self) -> Self:
        """Return the line that cancels this one in the sums of `billed_lines`."""
        shares = {discount: -amount_minor for discount, amount_minor in self.by_discount.items()}
        return replace(self, amount_minor=-self.amount_minor, by_discount=shares)

    def stored(self) -> dict[str, Any]:
        """Return the line as `invoice_reversals` stores it; `billed_lines` reads it again."""
        shares = {str(discount): amount_minor for discount, amount_minor in self.by_discount.items()}
        return {"id": self.id, "amount": self.amount_minor, "discounts": shares}


class EarlierReversal(Protocol):
    """The reversed lines of a refund or a credit, as stored; empty for other reversals."""

    kind: str
    lines: list[dict[str, Any]]


def discounts_of(invoice: InvoiceRow) -> list[DiscountKey]:
    """Return the discounts that took something off an invoice."""
    return [(invoice.project, uuid_of(each["discount"])) for each in invoice.answer["discounts"]]


def billed_lines(answer: Answer, *, earlier: Iterable[EarlierReversal]) -> dict[str, BilledLine]:
    """Return the lines of an answered invoice by id, with the sums of refunds and credits. Each is read once.

    `earlier` are in the order in which they were carried out.
    """
    by_line: dict[str, dict[UUID, int]] = {}
    for discount in answer["discounts"]:
        id_ = uuid_of(discount["discount"])
        for line, amount in discount["lines"].items():
            by_line.setdefault(line, {})[id_] = amount
    # The same few ids are read for each line.
    id_of = cache(UUID)
    # By whether it is a refund, and by line.
    amounts: defaultdict[tuple[bool, str], int] = defaultdict(int)
    returned: defaultdict[str, defaultdict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    at_last_reversed_credit: dict[str, BilledLine] = {}
    billed = {
        line["id"]: BilledLine(amount_minor=line["amount"], by_discount=by_line.get(line["id"], {}))
        for line in answer["lines"]
    }

    def so_far(line: str) -> BilledLine:
        return replace(
            billed[line],
            refunded_minor=amounts.get((True, line), 0),
            credited_minor=amounts.get((False, line), 0),
            returned=dict(returned.get(line, {})),
        )

    for kind, each in ((one.kind, line) for one in earlier for line in one.lines):
        amounts[kind == ReversalKind.REFUNDED, each["id"]] += each["amount"]
        for text, share in each["discounts"].items():
            returned[each["id"]][id_of(text)] += share
        if kind == CreditKind.CREDIT_REVERSED:
            at_last_reversed_credit[each["id"]] = so_far(each["id"])
    return {line: replace(so_far(line), rounded_from=_rest_of(at_last_reversed_credit.get(line))) for line in billed}


def _rest_of(line: BilledLine | None) -> Rest | None:
    if line is None:
        return None
    return Rest(amount_minor=line.left_minor(), discount_minor=sum(line.left_by_discount().values()))


def reversed_lines(lines: Mapping[str, BilledLine], *, refunds: Mapping[str, int]) -> Sequence[ReversedLine]:
    """Return the refunded amounts with their shares, or without refunds the whole rest of each line."""
    if refunds:
        return [
            ReversedLine(
                id=each,
                amount_minor=amount_minor,
                by_discount=shares_of_refund(lines[each], amount_minor=amount_minor),
            )
            for each, amount_minor in refunds.items()
        ]
    return [
        ReversedLine(id=each, amount_minor=line.left_minor(), by_discount=line.left_by_discount())
        for each, line in lines.items()
        if not line.is_refunded()
    ]


def is_in_full(discount: UUID, *, lines: Mapping[str, BilledLine], refunds: Mapping[str, int]) -> bool:
    """Return whether these refunds complete the refund of all lines that the discount applied to.

    A line that was credited in part is never refunded in full.
    """
    return bool(refunds) and all(
        line.refunded_minor + refunds.get(each, 0) == line.amount_minor
        for each, line in lines.items()
        if discount in line.by_discount
    )
