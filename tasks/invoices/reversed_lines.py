"""The lines of an invoice as they were billed, and the parts of them that a reversal reverses."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from domain.reversal import BilledLine, shares_of_refund
from domain.value_class import value
from tasks.wire.fields import uuid_of


@value
class ReversedLine:
    """The reversed amount of a line, before discounts, and each discount's share of it, in minor units."""

    id: str
    amount_minor: int
    by_discount: Mapping[UUID, int]

    def stored(self) -> dict[str, Any]:
        """Return the line as `invoice_reversals` stores it; `billed_lines` reads it again."""
        shares = {str(discount): amount_minor for discount, amount_minor in self.by_discount.items()}
        return {"id": self.id, "amount": self.amount_minor, "discounts": shares}


class AnsweredInvoice(Protocol):
    """The answer to an invoice, as stored."""

    answer: dict[str, Any]


class EarlierReversal(Protocol):
    """The reversed lines of a refund, as stored; empty for other reversals."""

    lines: list[dict[str, Any]]


def billed_lines(invoice: AnsweredInvoice, *, earlier: Iterable[EarlierReversal]) -> dict[str, BilledLine]:
    """Return the lines of an invoice by id, with the sums of their earlier refunds. Each refund is read once."""
    by_line: dict[str, dict[UUID, int]] = {}
    for discount in invoice.answer["discounts"]:
        for line, amount in discount["lines"].items():
            by_line.setdefault(line, {})[uuid_of(discount["discount"])] = amount
    refunded: defaultdict[str, int] = defaultdict(int)
    returned: defaultdict[str, defaultdict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    for each in (line for reversal in earlier for line in reversal.lines):
        refunded[each["id"]] += each["amount"]
        for text, share in each["discounts"].items():
            returned[each["id"]][UUID(text)] += share
    return {
        line["id"]: BilledLine(
            amount_minor=line["amount"],
            by_discount=by_line.get(line["id"], {}),
            refunded_minor=refunded.get(line["id"], 0),
            returned=returned.get(line["id"], {}),
        )
        for line in invoice.answer["lines"]
    }


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
    """Return whether these refunds complete the refund of all lines that the discount applied to."""
    return bool(refunds) and all(
        line.refunded_minor + refunds.get(each, 0) == line.amount_minor
        for each, line in lines.items()
        if discount in line.by_discount
    )
