"""A request to erase a customer has its effect once: never on a new customer of the same name."""

from functools import partial
from typing import Any
from unittest.mock import ANY

import pytest
from sqlalchemy import text

from tasks.customers.erase import _end, erase_customer
from tasks.customers.messages import EraseCustomer
from tests.customers.erasing import CUSTOMER, begun, do_everything, erase, everything, pseudonyms, told
from tests.support.administrator import as_administrator
from tests.support.imports import import_discount
from tests.support.requests import create_voucher, redeem
from tests.support.statements import meanwhile
from worker.database import run_in_transaction

pytestmark = pytest.mark.usefixtures("database")

SENT = EraseCustomer(project="gigs", customer=CUSTOMER, actor="Kim", request_id="erase-1")
# Without a request id, the id of the message takes its place.
MESSAGE = EraseCustomer(project="gigs", customer=CUSTOMER)


@pytest.mark.parametrize("request_", [SENT, MESSAGE], ids=["request id", "task id"])
def test_a_repeated_request_erases_no_new_customer(request_: EraseCustomer) -> None:
    """Delivered twice, and again after a customer of that name has come back."""
    requests = do_everything()
    first = erase_customer(request_, delivery="task-1")
    before = everything()
    assert (first["rows"] > len(requests), first["requestId"]) == (True, request_.request_id)
    assert erase_customer(request_, delivery="task-1") == first
    assert everything() == before
    create_voucher(code="BACK")
    assert redeem(code="BACK", customer=CUSTOMER)["outcome"] == "accepted"
    before = everything()
    assert erase_customer(request_, delivery="task-1") == first
    assert everything() == before
    assert erase_customer(MESSAGE, delivery="task-2")["rows"] > 0
    assert "cus " not in told(everything())


def test_a_request_that_found_nothing_erases_nobody_who_comes_later() -> None:
    """Its answer is stored too."""
    first = erase_customer(SENT)
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer=CUSTOMER)
    assert (first["rows"], erase_customer(SENT)) == (0, first)
    assert [row["customer"] for row in everything()["redemptions"]] == [CUSTOMER]


def test_a_request_id_of_another_customer_is_a_conflict() -> None:
    """Nobody is told that a customer is erased who is not. Who asks is no part of the request."""
    first = erase_customer(SENT)
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer="cus_2")
    other = SENT.model_copy(update={"customer": "cus_2"})
    assert erase_customer(other) == {
        "object": "erasure",
        "project": "gigs",
        "requestId": "erase-1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert [row["customer"] for row in everything()["redemptions"]] == ["cus_2"]
    assert erase_customer(SENT.model_copy(update={"actor": "Anna"})) == first
    assert erase_customer(SENT.model_copy(update={"project": "other"}))["outcome"] == "erased"


def test_a_request_id_and_a_task_id_of_the_same_text_are_two() -> None:
    """As for every write."""
    first = erase_customer(SENT)
    assert erase_customer(MESSAGE, delivery="erase-1") == first | {"requestId": None, "erasedAt": ANY}
    assert len(everything()["customer_erasures"]) == 2


def test_a_repetition_is_a_conflict_without_the_key_and_erases_nobody() -> None:
    """After 30 days, nothing tells any more whose id was in the request."""
    erase_customer(SENT)
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer=CUSTOMER)
    with as_administrator() as session:
        session.execute(text("UPDATE customer_erasures SET key = NULL"))
    before = everything()
    assert erase_customer(SENT)["reason"] == "idempotency_conflict"
    assert everything() == before


def test_each_request_for_a_running_erasure_is_answered_as_it_ends() -> None:
    """The first was interrupted, and another request went on with it. No repetition of either has an effect."""
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer=CUSTOMER)
    keys = ("request:erase-1", "delivery:task-1", "request:erase-1")
    for request, key in zip((SENT, MESSAGE, SENT), keys, strict=True):
        begun(request, key=key)
    (running,) = everything()["customer_erasures"]
    assert running["request_keys"] == ["request:erase-1", "delivery:task-1"]
    answer = erase(CUSTOMER)
    assert (answer["rows"] > 0, answer["requestId"]) == (True, None)
    redeem(code="OPEN", customer=CUSTOMER)
    before = everything()
    assert before["customer_erasures"][0]["request_keys"] == []
    assert erase_customer(SENT) == answer | {"requestId": "erase-1"}
    assert erase_customer(MESSAGE, delivery="task-1") == answer
    assert everything() == before


def test_a_copy_that_begins_as_another_ends_erases_no_new_customer() -> None:
    """It has found no answer when it begins. By then, the other copy has answered, and the customer is a new one."""
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer=CUSTOMER)
    answers: list[dict[str, Any]] = []

    def end() -> None:
        answers.append(erase_customer(SENT))
        redeem(code="OPEN", customer=CUSTOMER)

    with meanwhile(end, before="INSERT INTO customer_erasures"):
        answers.append(erase_customer(SENT))
    assert answers[0] == answers[1]
    assert sorted(row["customer"] for row in everything()["redemptions"]) == [CUSTOMER, *pseudonyms()]


def test_a_discount_that_is_imported_later_belongs_to_a_new_customer() -> None:
    """Although it was redeemed in another system before the erasure began."""
    voucher = create_voucher()["id"]
    begun(SENT, key="request:erase-1")
    assert import_discount(voucher, customer=CUSTOMER)["outcome"] == "imported"
    erase_customer(SENT)
    rows = everything()
    assert [row["customer"] for row in (*rows["discounts"], *rows["redemptions"])] == [CUSTOMER] * 2


def test_both_copies_of_a_message_get_the_answer_of_the_one_that_ended_first() -> None:
    """The other may have changed no row, or other rows."""
    key = "delivery:task-1"
    first, second = begun(MESSAGE, key=key), begun(MESSAGE, key=key)
    answers = [
        run_in_transaction(partial(_end, erasure=each, key=key, rows=rows)) for each, rows in ((second, 3), (first, 0))
    ]
    assert [each["rows"] for each in answers] == [3, 3]
    assert erase_customer(MESSAGE, delivery="task-1") == answers[0]
