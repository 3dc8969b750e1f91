"""`billing.reverse` reads earlier refunds once, however many lines and refunds there are."""

from collections.abc import Iterator
from types import SimpleNamespace
from uuid import UUID

import pytest

from tasks.invoices.reversed_lines import billed_lines
from tasks.wire.fields import type_id
from tests.support.requests import apply
from tests.support.reversals import grant, refund, reverse
from tests.support.statements import counted

DISCOUNT = UUID(int=1)
LINES = [f"line_{number}" for number in range(100)]


class Refunded(list[dict]):
    """The lines of a refund, which count how often they are iterated."""

    times = 0

    def __iter__(self) -> Iterator[dict]:
        """Count an iteration."""
        Refunded.times += 1
        return super().__iter__()


def test_each_refund_is_read_once():
    """An invoice of 100 lines was refunded 20 times."""
    discount = {"discount": type_id("dis", DISCOUNT), "lines": dict.fromkeys(LINES, 10)}
    invoice = SimpleNamespace(
        answer={"discounts": [discount], "lines": [{"id": each, "amount": 100} for each in LINES]}
    )
    part = Refunded({"id": each, "amount": 2, "discounts": {str(DISCOUNT): 1}} for each in LINES)
    Refunded.times = 0
    lines = billed_lines(invoice.answer, earlier=[SimpleNamespace(kind="refunded", lines=part)] * 20)
    assert Refunded.times == 20
    assert {(each.refunded_minor, each.returned[DISCOUNT], each.left_minor()) for each in lines.values()} == {
        (40, 20, 60)
    }


@pytest.mark.usefixtures("database")
def test_an_earlier_answer_is_read_only_for_a_replay():
    """A refund reads no answer of earlier refunds. A repeated void reads its own."""
    grant()
    for number in (1, 2):
        apply(invoice=f"inv_{number}", lines=[{"id": each, "amount": 100} for each in LINES])
    refund("inv_1", "r1", **dict.fromkeys(LINES, 1))
    first = reverse("inv_2")
    with counted() as refunding:
        refund("inv_1", "r2", **dict.fromkeys(LINES, 1))
    with counted() as again:
        assert reverse("inv_2") == first
    reading = "SELECT invoice_reversals"
    assert [each for each in refunding if reading in each and "answer" in each] == []
    assert len([each for each in again if reading in each and "answer" in each]) == 1
