"""A batch of new vouchers is decided as if they were created one after the other, in a few statements."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from domain.imported_history import ImportedHistory
from tasks.vouchers.create import NewVoucher, create_new
from tasks.vouchers.create import create_voucher as create_voucher_in
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer
from tests.support.concurrency import at_once, until_somebody_waits, until_waiting
from tests.support.requests import create_voucher, redeem, voucher_body
from tests.support.statements import counted, meanwhile
from tests.vouchers.batches import created, created_alone, new
from tests.vouchers.calls import EVERYTHING, PAST
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

TAKEN = [{"field": "code", "message": "is already the code of a voucher that can still be redeemed"}]


def test_two_of_a_batch_with_one_id_are_one_voucher():
    """The second is a repetition. With another body it is a conflict."""
    first, again, other = created([new("x"), new("x"), new("x", name="Other")])
    assert (again, other["reason"]) == (first, "idempotency_conflict")


def test_a_code_belongs_to_the_first_of_a_batch():
    """Case does not matter. The others of the batch are created."""
    first, second, third = created([new("a", code="SUMMER"), new("b", code="summer"), new("c", code="WINTER")])
    assert (second, third["code"]) == ({"errors": TAKEN}, "WINTER")
    assert redeem(code="SUMMER")["voucher"] == first["id"]


def test_a_code_of_the_batch_whose_voucher_is_retired_is_free():
    """As if the first had been created long before."""
    batch = [new("a", ImportedHistory(redemptions=0, is_withdrawn=True), code="SUMMER"), new("b", code="SUMMER")]
    _, second = created(batch)
    assert redeem(code="SUMMER")["voucher"] == second["id"]
    assert created(batch)[1] == second


def test_a_code_that_a_stored_voucher_has_leaves_the_others():
    """An available one keeps it, and an expired one loses it and is retired. A refused voucher retires nothing."""
    create_voucher(code="TAKEN")
    create_voucher(code="FREE", restrictions={"expiresAt": PAST})
    create_voucher(code="KEPT", restrictions={"expiresAt": PAST}, requestId="kept")
    batch = [new("a", code="taken"), new("b", code="free"), new(requestId="kept", code="KEPT"), new("c")]
    assert [each.get("code", each.get("reason", "error")) for each in created(batch)] == [
        "error",
        "free",
        "idempotency_conflict",
        None,
    ]
    with transaction() as session:
        retired = session.execute(text("SELECT code FROM vouchers WHERE retired_reason IS NOT NULL")).scalars().all()
    assert retired == ["FREE"]


def test_half_of_a_batch_that_was_created_before_is_answered_with_the_first_answers():
    """Each voucher is created once, whatever batches it comes in."""
    batch = [new(str(number), code=f"CODE-{number}") for number in range(6)]
    first = created(batch[1::2])
    again = created(batch)
    assert again[1::2] == first
    assert len({each["id"] for each in again}) == len(batch)


def test_everything_that_a_voucher_has_is_stored():
    """The answer of a repetition is the first answer, and the voucher is read as it was created."""
    budget = {"amount": 900, "currency": "USD", "currencyOptions": {"EUR": 800}}
    phases = {"type": "repeating", "phases": [{"durationInMonths": 2, "priceDiscountPercentage": 50}] * 2}
    bodies = [
        {**EVERYTHING, "budget": budget, "requestId": "r1"},
        voucher_body(recurrence=phases, requestId="r2", metadata={"ä": "ö\U0001f600"}),
    ]
    batch = [NewVoucher(request=CreateVoucher.model_validate(each)) for each in bodies]
    answers = created(batch)
    assert created(batch) == answers
    stored = [create_voucher(**each) for each in bodies]
    assert stored == answers


def test_a_batch_takes_as_many_statements_as_one_voucher():
    """However many it has, whether they are new, repeated or retired."""
    retired = ImportedHistory(redemptions=0, is_withdrawn=True)
    create_voucher(code="TAKEN")

    def batch(size: int) -> list[NewVoucher]:
        coded = [new(f"{size} {number}", code=f"CODE-{size}-{number}") for number in range(size)]
        over = [new(f"{size} over {number}", retired) for number in range(size)]
        return [*coded, *over, new(f"{size} shown", retired, code="TAKEN")]

    counts = list[int]()
    for size in (1, 50):
        for _ in ("new", "repeated"):
            with counted() as statements:
                created(batch(size))
            counts.append(len(statements))
    assert counts[:2] == counts[2:]


def test_no_voucher_is_no_statement():
    """The batch may be empty."""
    assert created([]) == []


@pytest.mark.parametrize(
    ("before", "fields"),
    [
        ("FROM vouchers", {"code": "SUMMER", "requestId": "r1"}),
        ("INSERT INTO vouchers", {"code": "SUMMER", "requestId": "r1"}),
        *((each, {"code": "summer"}) for each in ("FROM vouchers", "INSERT INTO vouchers", "INSERT INTO codes")),
    ],
)
def test_a_voucher_that_another_connection_creates_meanwhile_comes_first(before: str, fields: dict[str, Any]):
    """Before any statement after the look-up of the codes. With the same key, it is the answer."""
    theirs = list[Answer]()
    batch = [new(code="WINTER"), new(code="SUMMER", requestId="r1")]
    with meanwhile(lambda: theirs.append(create_voucher(**fields)), before=before):
        first, second = created(batch)
    assert (first["code"], second) == ("WINTER", theirs[0] if "requestId" in fields else {"errors": TAKEN})


@pytest.mark.usefixtures("wide_pool")
def test_a_code_that_is_taken_by_the_end_of_a_wait_is_refused():
    """The batch waits for the other transaction, and is then decided anew. The others of the batch are created."""
    batch = [new("a", code="SUMMER"), new("b", code="WINTER")]
    with transaction() as holder:
        theirs = create_voucher_in(holder, CreateVoucher.model_validate(voucher_body(code="summer")))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(created, batch)
            until_somebody_waits(holder)
            holder.commit()
            first, second = waiting.result()
    assert (first, second["code"]) == ({"errors": TAKEN}, "WINTER")
    assert redeem(code="SUMMER")["voucher"] == theirs["id"]


@pytest.mark.usefixtures("wide_pool")
def test_one_batch_created_many_times_at_once_in_any_order_is_created_once():
    """No two wait for each other, and all have the same answers. Expired vouchers lose their codes."""
    for number in range(20):
        create_voucher(code=f"CODE-{number}", restrictions={"expiresAt": PAST})
    batch = [new(str(number), code=f"CODE-{number}") for number in range(20)]
    orders = [batch[number:] + batch[:number] for number in range(0, 20, 5)] + [batch[::-1]] * 4
    answers = at_once([partial(created, each) for each in orders])
    by_delivery = [
        {each.delivery: answer for each, answer in zip(order, of_order, strict=True)}
        for order, of_order in zip(orders, answers, strict=True)
    ]
    assert all(each == by_delivery[0] for each in by_delivery)
    assert "errors" not in {name for answer in by_delivery[0].values() for name in answer}


@pytest.mark.usefixtures("wide_pool")
def test_two_batches_with_the_same_keys_in_another_order_never_deadlock():
    """Both wait for a third transaction, which comes to nothing."""
    batch = [new(each) for each in "abc"]
    with transaction() as holder:
        create_new(holder, new("b"))
        with ThreadPoolExecutor(2) as threads:
            waiting = [threads.submit(created, each) for each in (batch, batch[::-1])]
            until_waiting(holder, 2)
            holder.rollback()
            answers = [each.result() for each in waiting]
    assert answers[0] == answers[1][::-1]


@pytest.mark.usefixtures("wide_pool")
def test_everything_is_locked_before_anything_is_inserted():
    """Also the voucher whose code a later one of the batch wants, which is decided after an earlier one is stored."""
    create_voucher(code="SUMMER", restrictions={"expiresAt": PAST})
    with transaction() as holder:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(created, [new("a"), new("a", code="SUMMER")])
            until_somebody_waits(holder)
            first = created_alone(new("a"))
            holder.commit()
            again, other = waiting.result()
    assert (again, other["reason"]) == (first, "idempotency_conflict")
