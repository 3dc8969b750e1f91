"""Vouchers in the format of Gigs: the documented example, the documented fields, and our use cases behind them."""

from typing import Any

import pytest

from tasks.celery import app
from tasks.wire.errors import NotFound
from tests.foreign.gigs import CURRENT_PAGE, DOCUMENTED, FIXED, OLDER_PAGE, PERCENTAGE, reference
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_the_documented_request_runs_unchanged_and_is_answered_with_exactly_their_fields():
    """The request is the guide's example, and the answer has the fields of both pages of the reference."""
    answer = task_named("gigs.vouchers.create")(request={"project": "gigs", **DOCUMENTED})
    assert set(answer) == set(CURRENT_PAGE) | set(OLDER_PAGE)
    assert set(answer["recurrence"]) == set(CURRENT_PAGE["recurrence"])
    assert set(answer["restrictions"]) == {"expiresAt", "maximumRedemptions"}
    assert answer == {
        "object": "voucher",
        "id": answer["id"],
        "createdAt": answer["createdAt"],
        **DOCUMENTED,
        "priceDiscount": None,
        "redemptions": 0,
        "retiredReason": None,
        "status": "available",
        "restrictions": {"expiresAt": None, "maximumRedemptions": None},
    }


def test_the_writable_fields_of_the_documented_voucher_come_back_as_they_were_sent():
    """The examples have both kinds of discount. No voucher can, so one of them is left out."""
    sent = {name: OLDER_PAGE[name] for name in ("name", "priceDiscount", "recurrence", "restrictions")}
    answer = task_named("gigs.vouchers.create")(request={"project": "gigs", **sent})
    assert answer["name"] == "Monthly Basic 15%"
    assert answer["priceDiscount"] == {"amount": 999, "currency": "USD"}
    assert set(answer["priceDiscount"]) == set(CURRENT_PAGE["priceDiscount"])
    assert answer["recurrence"] == {"type": "once", "durationInMonths": None}
    assert answer["restrictions"] == {"expiresAt": "2021-04-14T19:38:34Z", "maximumRedemptions": None}
    decimal = task_named("gigs.vouchers.create")(
        request={**PERCENTAGE, "priceDiscountPercentage": OLDER_PAGE["priceDiscountPercentage"]}
    )
    assert decimal["priceDiscountPercentage"] == 30.12


def test_the_month_of_a_discount_that_is_given_once_is_taken_and_answered_as_null():
    """The reference shows a month with `once`, which has no duration here. A redelivery is the same request."""
    sent = {name: CURRENT_PAGE[name] for name in ("name", "priceDiscount", "recurrence")}
    assert sent["recurrence"] == {"type": "once", "durationInMonths": 1}
    create = task_named("gigs.vouchers.create")
    without = {**sent, "recurrence": {"type": "once"}}
    answers = [
        create.apply(kwargs={"request": {"project": "gigs", **body}}, task_id="one").get() for body in (sent, without)
    ]
    assert answers[0] == answers[1]
    assert answers[0]["recurrence"] == {"type": "once", "durationInMonths": None}


def test_what_is_null_is_what_is_left_out():
    """Their answers show null for a missing field."""
    nulls = {"priceDiscount": None, "restrictions": {"expiresAt": None, "maximumRedemptions": None}}
    for body in ({**PERCENTAGE, **nulls}, {**PERCENTAGE, "restrictions": None}):
        assert task_named("gigs.vouchers.create")(request=body)["restrictions"] == nulls["restrictions"]
    once = {"type": "once", "durationInMonths": None}
    answer = task_named("gigs.vouchers.create")(request={**FIXED, "priceDiscountPercentage": None, "recurrence": once})
    assert answer["recurrence"] == once


def test_their_voucher_is_ours_with_the_same_meaning():
    """`vouchers.retrieve` shows the voucher, and redemptions fill it."""
    made = task_named("gigs.vouchers.create")(request={**FIXED, "restrictions": {"maximumRedemptions": 1}})
    ours = task_named("vouchers.retrieve")(request=reference(made))
    assert (ours["priceDiscount"], ours["recurrence"]["type"]) == (
        {"amount": 999, "currency": "USD", "currencyOptions": {}},
        "once",
    )
    assert ours["restrictions"]["maximumRedemptions"] == 1
    assert redeem(voucher=made["id"], currency="USD")["outcome"] == "accepted"
    after = task_named("gigs.vouchers.retrieve")(request=reference(made))
    assert (after["redemptions"], after["status"], after["retiredReason"]) == (1, "retired", "maxRedemptionsReached")


def test_our_voucher_is_theirs_without_what_they_have_no_word_for():
    """The answer has no code, no products and no other currencies."""
    ours = create_voucher(
        code="SUMMER",
        priceDiscount={"amount": 5, "currency": "USD", "currencyOptions": {"EUR": 4}},
        restrictions={"products": ["prod_a"], "expiresAt": "2099-01-01T00:00:00Z"},
    )
    answer = task_named("gigs.vouchers.retrieve")(request=reference(ours))
    assert set(answer) == set(CURRENT_PAGE) | set(OLDER_PAGE)
    assert answer["priceDiscount"] == {"amount": 5, "currency": "USD"}
    assert answer["restrictions"] == {"expiresAt": "2099-01-01T00:00:00Z", "maximumRedemptions": None}


def test_retiring_by_hand_ends_new_redemptions_and_twice_changes_nothing():
    """Both APIs show the same row."""
    made = task_named("gigs.vouchers.create")(request=PERCENTAGE)
    retired = task_named("gigs.vouchers.retire")(request=reference(made))
    assert (retired["status"], retired["retiredReason"]) == ("retired", "manualAction")
    assert (
        task_named("gigs.vouchers.retire")(request=reference(made))
        == retired
        == task_named("gigs.vouchers.retrieve")(request=reference(made))
    )
    assert task_named("vouchers.retrieve")(request=reference(made))["retiredReason"] == "manualAction"
    assert redeem(voucher=made["id"])["reason"] == "voucher_retired"


def test_a_creation_that_is_delivered_twice_makes_one_voucher_and_two_tasks_make_two():
    """The body has no idempotency key, so the task id is the key."""

    def deliver(task_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = (
            task_named("gigs.vouchers.create").apply(kwargs={"request": PERCENTAGE}, task_id=task_id).get()
        )
        return answer

    first = deliver("twice")
    task_named("gigs.vouchers.retire")(request=reference(first))
    assert deliver("twice") == first
    assert deliver("another")["id"] != first["id"]
    answers = at_once([lambda: deliver("at once")] * 4)
    assert all(answer == answers[0] for answer in answers)


def test_a_task_id_that_was_used_for_another_body_is_our_conflict():
    """A refusal is data in our format."""
    for name, expected in (("Monthly Basic", None), ("Another", "idempotency_conflict")):
        answer = (
            task_named("gigs.vouchers.create")
            .apply(kwargs={"request": {**PERCENTAGE, "name": name}}, task_id="used")
            .get()
        )
        assert answer.get("reason") == expected


@pytest.mark.parametrize("other", ["gigs.vouchers.retire", "vouchers.retire"])
def test_two_that_retire_at_once_have_one_effect(other):
    """One of them may be our own task."""
    made = task_named("gigs.vouchers.create")(request=PERCENTAGE)
    answers = at_once(
        [
            lambda: task_named("gigs.vouchers.retire")(request=reference(made)),
            lambda: app.tasks[other](request=reference(made)),
        ]
    )
    assert {answer["retiredReason"] for answer in answers} == {"manualAction"}
    shown = {task_named("vouchers.retrieve")(request=reference(made))["retiredAt"]}
    assert {answer["retiredAt"] for answer in answers if "retiredAt" in answer} <= shown


def test_what_does_not_exist_in_the_project_is_not_found():
    """No row of one project is visible from another."""
    made = task_named("gigs.vouchers.create")(request=PERCENTAGE)
    for task in (task_named("gigs.vouchers.retrieve"), task_named("gigs.vouchers.retire")):
        with pytest.raises(NotFound):
            task(request={**reference(made), "project": "other"})
