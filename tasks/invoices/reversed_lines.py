"""The lines of an invoice as they were billed, and what one reversal takes back of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.reversal import BilledLine, shares_of_refund
from tasks.invoices.reversal_answers import ReversedLine
from tasks.wire.answers import AsStored
from tasks.wire.fields import uuid_of


def billed_lines(invoice: AsStored, *, earlier: Iterable[AsStored]) -> dict[str, BilledLine]:
    """This function will return an invoice's lines with what was refunded of them, each refund looked at once."""
    by_line: dict[str, dict[UUID, int]] = {}
    for discount in invoice.answer["discounts"]:
        for line, amount in discount["lines"].items():
            by_line.setdefault(line, {})[uuid_of(discount["discount"])] = amount
    refunded: defaultdict[str, int] = defaultdict(int)
    returned: defaultdict[str, defaultdict[UUID, int]] = defaultdict(lambda: defaultdict(int))
    for each in (line for reversal in earlier for line in reversal.lines):
        refunded[each["id"]] += each["amount"]
        for text, part in each["discounts"].items():
            returned[each["id"]][UUID(text)] += part
    return {
        line["id"]: BilledLine(
            amount_minor=line["amount"],
            by_discount=by_line.get(line["id"], {}),
            refunded_minor=refunded.get(line["id"], 0),
            returned=returned.get(line["id"], {}),
        )
        for line in invoice.answer["lines"]
    }


def reversed_lines(lines: Mapping[str, BilledLine], *, refunds: Mapping[str, int]) -> list[ReversedLine]:
    """This function will return what is taken back: the refunded lines' share, or else all that is left."""
    if refunds:
        return [(each, amount, shares_of_refund(lines[each], amount_minor=amount)) for each, amount in refunds.items()]
    return [
        (each, line.left_minor(), line.left_by_discount()) for each, line in lines.items() if not line.is_refunded()
    ]


def is_in_full(discount: UUID, *, lines: Mapping[str, BilledLine], refunds: Mapping[str, int]) -> bool:
    """This function will tell whether with those refunds nothing is left of the lines that a discount is on."""
    return bool(refunds) and all(
        line.refunded_minor + refunds.get(each, 0) == line.amount_minor
        for each, line in lines.items()
        if discount in line.by_discount
    )


def stored_lines(lines: Sequence[ReversedLine]) -> list[dict[str, Any]]:
    """This function will return refunded lines as they are kept."""
    return [
        {"id": line, "amount": amount, "discounts": {str(discount): part for discount, part in parts.items()}}
        for line, amount, parts in lines
    ]
