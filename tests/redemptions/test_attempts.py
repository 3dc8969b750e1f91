"""Guessing: a customer who has tried 20 unknown codes has to wait for the rest of ten minutes, and nobody else."""

import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.invoices import previews
from tests.support.concurrency import at_once
from tests.support.environment import changed_environment
from tests.support.holds import confirm, reserve
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import engine, transaction
from worker.settings import settings

pytestmark = pytest.mark.usefixtures("database")

MAX = 20
WAIT = "too_many_attempts"
CUSTOMER = {"customer": "cus_guesses"}


def guess(number: int = 1, *, task: str = "redemptions.redeem", **fields: Any) -> list[dict[str, Any]]:
    """Try so many unknown codes as one customer, one by one, and return the answers."""
    return [
        task_named(task)(request=redemption(**{**CUSTOMER, "code": f"GUESS-{each}", **fields}))
        for each in range(number)
    ]


def preview(*codes: str, **fields: Any) -> list[dict[str, Any]]:
    """Preview an invoice with codes, and return the answers to them."""
    answers: list[dict[str, Any]] = previews.preview(redeem=[{"code": each} for each in codes], **fields)["redeem"]
    return answers


def stored() -> dict[str, int]:
    """Return the numbers of unknown codes that are counted, by customer."""
    with transaction() as session:
        rows = session.execute(text("SELECT customer, attempts FROM failed_attempts")).all()
    return {row.customer: row.attempts for row in rows}


def pass_time(seconds: int) -> None:
    """Let the counts be older."""
    with transaction() as session:
        session.execute(text(f"UPDATE failed_attempts SET began_at = began_at - interval '{seconds} s'"))  # noqa: S608 - a number


def reasons(answers: list[dict[str, Any]]) -> dict[str | None, int]:
    """Count the reasons of answers."""
    return dict(Counter(each["reason"] for each in answers))


def test_the_21st_code_is_not_looked_at():
    """Not even a valid one. The answer says nothing about it, and is not stored."""
    voucher = create_voucher(code="SUMMER")
    assert reasons(guess(MAX)) == {"voucher_not_found": MAX}
    request = redemption(**CUSTOMER, code="Summer")
    answer = task_named("redemptions.redeem")(request=request)
    assert answer | {"decidedAt": None} == {
        "object": "redemption",
        "id": None,
        "project": "gigs",
        "requestId": request["requestId"],
        "outcome": "refused",
        "reason": WAIT,
        "retryable": True,
        "voucher": None,
        "code": "Summer",
        "customer": "cus_guesses",
        "subscription": request["subscription"],
        "discount": None,
        "redemptionNumber": None,
        "decidedAt": None,
    }
    assert reasons(guess()) == {WAIT: 1}
    with transaction() as session:
        assert session.execute(text("SELECT count(*) FROM redemptions")).scalar_one() == MAX
    # The same request is decided anew when the time is over.
    pass_time(settings().unknown_codes_seconds)
    assert task_named("redemptions.redeem")(request=request)["outcome"] == "accepted"
    assert voucher["id"]


def test_nobody_else_has_to_wait():
    """Nor does the customer of that name in another project, nor one who names a voucher by its id."""
    voucher = create_voucher(code="SUMMER")
    create_voucher(project="other", code="SUMMER")
    guess(MAX + 1)
    assert redeem(code="SUMMER")["outcome"] == "accepted"
    assert redeem(**CUSTOMER, project="other", code="SUMMER")["outcome"] == "accepted"
    assert redeem(**CUSTOMER, voucher=voucher["id"])["outcome"] == "accepted"
    assert redeem(**CUSTOMER, voucher="vou_01m80jhp2gen0s4fxq6tp9p4dj")["reason"] == "voucher_not_found"
    assert stored() == {"cus_guesses": MAX}


def test_a_batch_is_counted_in_its_order():
    """19 unknown codes, a valid one, one more unknown one, and then the customer has to wait."""
    create_voucher(code="SUMMER")
    codes = [*(f"GUESS-{number}" for number in range(MAX - 1)), "SUMMER", "GUESS-LAST", "SUMMER", "GUESS"]
    requests = [redemption(**CUSTOMER, code=each) for each in codes]
    answers = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [each["reason"] for each in answers[MAX - 1 :]] == [None, "voucher_not_found", WAIT, WAIT]


def test_a_repetition_does_not_count():
    """A message may be delivered twice, and a request may be in a batch twice."""
    request = redemption(**CUSTOMER, code="GUESS")
    for _ in range(2):
        task_named("redemptions.redeem_many")(request={"requests": [request, request]})
    held = redemption(**CUSTOMER, code="GUESS")
    for _ in range(2):
        task_named("redemptions.reserve")(request=held)
    assert stored() == {"cus_guesses": 2}


@pytest.mark.parametrize("task", ["redemptions.reserve", "redemptions.validate"])
def test_holds_and_validations_count_too(task: str):
    """Their answers are those of redemptions."""
    create_voucher(code="SUMMER")
    assert reasons(guess(MAX, task=task)) == {"voucher_not_found": MAX}
    (answer,) = guess(task=task, code="SUMMER")
    assert (answer["outcome"], answer["reason"], answer["retryable"]) == ("refused", WAIT, True)
    assert (answer["voucher"], answer["code"]) == (None, "SUMMER")
    assert redeem(**CUSTOMER, code="SUMMER")["reason"] == WAIT


def test_previews_count_too():
    """Also within one preview. A preview that names no customer is counted, and never has to wait."""
    create_voucher(code="SUMMER")
    codes = [f"GUESS-{number}" for number in range(MAX - 1)]
    assert reasons(preview(*codes, **CUSTOMER)) == {"voucher_not_found": MAX - 1}
    assert [each["reason"] for each in preview("SUMMER", "GUESS", "SUMMER", **CUSTOMER)] == [
        *(None, "voucher_not_found", WAIT)
    ]
    assert redeem(**CUSTOMER, code="SUMMER")["reason"] == WAIT
    for _ in range(2):
        preview(*codes)
    assert preview("SUMMER")[0]["reason"] is None
    assert stored() == {"cus_guesses": MAX, "": 2 * (MAX - 1)}


def test_a_place_that_was_held_before_is_confirmed():
    """By the hold, or by the redemption with its id: the code was looked at when the place was held."""
    voucher = create_voucher(code="SUMMER")
    add_codes(voucher, {"code": "WINTER"})
    first = reserve(**CUSTOMER, code="SUMMER", subscription="sub_1")
    second = redemption(**CUSTOMER, code="WINTER", subscription="sub_2")
    task_named("redemptions.reserve")(request=second)
    guess(MAX)
    assert confirm(first)["outcome"] == "accepted"
    assert task_named("redemptions.redeem")(request=second)["outcome"] == "accepted"


def test_what_was_decided_is_answered_as_before():
    """A repetition gets the first answer, and another body with its id the conflict."""
    create_voucher(code="SUMMER")
    request = redemption(**CUSTOMER, code="SUMMER")
    first = task_named("redemptions.redeem")(request=request)
    guess(MAX)
    assert task_named("redemptions.redeem")(request=request) == first
    conflict = task_named("redemptions.redeem")(request={**request, "code": "OTHER"})
    assert conflict["reason"] == "idempotency_conflict"


def test_the_time_begins_with_the_first_unknown_code():
    """Waiting does not begin anew with every code."""
    guess(MAX - 1)
    pass_time(settings().unknown_codes_seconds - 60)
    guess(5)
    assert stored() == {"cus_guesses": MAX}
    pass_time(60)
    assert reasons(guess(MAX + 1)) == {"voucher_not_found": MAX, WAIT: 1}


def test_a_sweep_forgets_counts_whose_time_is_over():
    """And no others, not even that of a customer of the same name in another project."""
    guess()
    pass_time(settings().unknown_codes_seconds)
    guess(2, project="of the same ids")
    guess(customer="cus_new")
    task_named("expiry.sweep")(request={})
    assert stored() == {"cus_guesses": 2, "cus_new": 1}


def test_the_limit_can_be_switched_off():
    """Then nothing is counted."""
    with changed_environment(SCRIP_UNKNOWN_CODES_MAX="0"):
        assert reasons(guess(MAX + 1)) == {"voucher_not_found": MAX + 1}
        guess(task="redemptions.validate")
    assert stored() == {}


def test_two_batches_at_once_do_not_allow_twice_as_many():
    """The count of a customer is locked from the first unknown code on."""

    def many(prefix: str) -> Callable[[], dict[str, Any]]:
        requests = [redemption(**CUSTOMER, code=f"{prefix}-{number}") for number in range(15)]
        return lambda: task_named("redemptions.redeem_many")(request={"requests": requests})

    answers = at_once([many(f"GUESS-{number}") for number in range(4)])
    assert reasons([item for each in answers for item in each["items"]]) == {"voucher_not_found": MAX, WAIT: 40}


@pytest.mark.parametrize("children", [2, 4])
def test_validations_at_once_look_at_one_more_code_for_each_other_child(children: int) -> None:
    """A validation reads the count, decides, and counts then. Here each has decided before any of them counts."""
    guess(MAX - 1)
    all_have_decided = Barrier(children, timeout=60)

    def wait_before_counting(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO failed_attempts" in statement:
            all_have_decided.wait()

    event.listen(engine(), "before_cursor_execute", wait_before_counting)
    try:
        with ThreadPoolExecutor(children) as threads:
            validate = partial(guess, task="redemptions.validate")
            answers = [
                answer for each in [threads.submit(validate) for _ in range(children)] for answer in each.result()
            ]
    finally:
        event.remove(engine(), "before_cursor_execute", wait_before_counting)
    assert [each["reason"] for each in answers] == ["voucher_not_found"] * children
    assert stored() == {"cus_guesses": MAX - 1 + children}
    assert guess(task="redemptions.validate")[0]["reason"] == WAIT


def test_the_log_tells_when_a_customer_has_to_wait(caplog: pytest.LogCaptureFixture):
    """Once, without the customer's id or a code."""
    with caplog.at_level(logging.WARNING):
        guess(MAX - 1)
        assert caplog.records == []
        guess(3)
    (record,) = caplog.records
    assert record.getMessage() == "customers who have to wait, since they have tried 20 unknown codes: 1"
