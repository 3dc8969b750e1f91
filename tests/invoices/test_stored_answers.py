"""A large answer to an invoice is stored without the ids of lines in each discount, and told as it was given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json, to_json
from sqlalchemy import func, select

from models.discounts.discount import DISCOUNTS
from models.invoices.ledger import INVOICE_DISCOUNTS
from models.invoices.stored_answer import COMPACT_BYTES_MIN, given_answer, stored_answer
from tests.support.database_between_tests import violations
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

LINES = [{"id": f"{number:04}".ljust(255, "x"), "amount": 100_000} for number in range(1_000)]
DISCOUNTS_PER_SUBSCRIPTION = 20
AMOUNTS = st.none() | st.integers(min_value=0, max_value=10**12)


@given(st.lists(st.lists(AMOUNTS, min_size=3, max_size=3), max_size=4), st.permutations([0, 1, 2]))
def test_what_was_stored_is_told_in_the_same_order(discounts: list[list[int | None]], order: list[int]) -> None:
    """Whatever order the lines of a discount have."""
    ids = [letter * COMPACT_BYTES_MIN for letter in "abc"]
    answer = {
        "lines": [{"id": each} for each in ids],
        "discounts": [
            {"lines": {ids[at]: amounts[at] for at in order if amounts[at] is not None}} for amounts in discounts
        ],
    }
    told = given_answer(from_json(stored_answer(answer)))
    assert to_json(told) == to_json(answer)


def test_a_small_answer_is_stored_as_it_is() -> None:
    """Operators read it in the table."""
    answer = {"lines": [{"id": "a"}], "discounts": [{"lines": {"a": 1}}]}
    assert stored_answer(answer) == to_json(answer).decode()
    assert given_answer(answer) == answer


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_the_largest_answer_takes_a_tenth_of_what_it_tells() -> None:
    """It is replayed, retrieved, listed, reversed and audited as any other."""
    for number in range(DISCOUNTS_PER_SUBSCRIPTION):
        create_voucher(code=f"CODE-{number}", priceDiscountPercentage=0.5)
        redeem(**redemption(code=f"CODE-{number}", customer="cus_1", subscription="sub_1", currency="USD"))
    with transaction() as session:
        assert session.execute(select(func.count()).select_from(DISCOUNTS)).scalar_one() == DISCOUNTS_PER_SUBSCRIPTION
    request = invoice(customer="cus_1", subscription="sub_1", lines=LINES)
    answer = task_named("billing.apply")(request=request)
    assert len(answer["discounts"]) == DISCOUNTS_PER_SUBSCRIPTION
    assert all(len(each["lines"]) == len(LINES) for each in answer["discounts"])
    with transaction() as session:
        stored_bytes = session.execute(
            select(func.length(INVOICE_DISCOUNTS.c.answer.cast(INVOICE_DISCOUNTS.c.invoice.type)))
        ).scalar_one()
    told_bytes = len(to_json(answer))
    assert told_bytes > 5_000_000
    assert stored_bytes < told_bytes / 10
    assert to_json(task_named("billing.apply")(request=request)) == to_json(answer)
    key = {"project": request["project"], "invoice": request["invoice"]}
    retrieved = task_named("billing.retrieve")(request=key)
    assert {name: retrieved[name] for name in answer} == answer
    (listed,) = task_named("billing.list")(request={"project": request["project"], "customer": "cus_1"})["items"]
    assert listed == answer
    reverse = {**key, "kind": "refunded", "lines": [{"id": LINES[7]["id"], "amount": 100_000}], "requestId": "r"}
    reversal = task_named("billing.reverse")(request=reverse)
    assert reversal["outcome"] == "reversed"
    assert violations() == []
    assert apply(**request)["reversed"] is not None
