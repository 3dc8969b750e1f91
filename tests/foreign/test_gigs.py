"""Gigs' vouchers: their documents' example, their fields, and our use cases behind them."""

from typing import Any

import pytest

from tasks.celery import app
from tasks.foreign.gigs import ListGigsVouchers
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.bad_requests import SECRET, fields_of
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

# The request of the guide, and the answer of either page of the reference, as they are written there.
DOCUMENTED: dict[str, Any] = {
    "name": "Monthly Basic",
    "priceDiscountPercentage": 10,
    "recurrence": {"type": "repeating", "durationInMonths": 3},
}
CURRENT_PAGE: dict[str, Any] = {
    "object": "voucher",
    "id": "vou_0SNlurA049MEWV0h2jfjkdiOdplN",
    "createdAt": "2021-02-14T19:38:34.0Z",
    "name": "Black Friday",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "priceDiscountPercentage": 30.12,
    "recurrence": {"type": "once", "durationInMonths": 1},
    "redemptions": 2,
    "retiredReason": None,
    "status": "available",
}
OLDER_PAGE: dict[str, Any] = {
    "object": "voucher",
    "id": "vou_0SNlurA049MEWV0h2jfjkdiOdplN",
    "name": "Monthly Basic 15%",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "priceDiscountPercentage": 30.12,
    "recurrence": {"type": "once"},
    "redemptions": 2,
    "restrictions": {"expiresAt": "2021-04-14T19:38:34Z"},
    "retiredReason": None,
    "status": "available",
    "createdAt": "2021-02-14T19:38:34Z",
}
FIXED = {
    "project": "gigs",
    "name": "Black Friday",
    "priceDiscount": {"amount": 999, "currency": "USD"},
    "recurrence": {"type": "once"},
}
PERCENTAGE = {"project": "gigs", **DOCUMENTED}


def reference(voucher: dict[str, Any]) -> dict[str, Any]:
    """This function will return the parameters that name a voucher."""
    return {"project": "gigs", "voucher": voucher["id"]}


def test_the_documented_request_runs_unchanged_and_is_answered_with_exactly_their_fields():
    """The guide's example; the names are those of the two pages of the reference together."""
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
    """It has both kinds of discount and a duration with `once`, which none can have: those are left out."""
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


def test_what_is_null_is_what_is_left_out():
    """As their answers show it."""
    nulls = {"priceDiscount": None, "restrictions": {"expiresAt": None, "maximumRedemptions": None}}
    for body in ({**PERCENTAGE, **nulls}, {**PERCENTAGE, "restrictions": None}):
        assert task_named("gigs.vouchers.create")(request=body)["restrictions"] == nulls["restrictions"]
    once = {"type": "once", "durationInMonths": None}
    answer = task_named("gigs.vouchers.create")(request={**FIXED, "priceDiscountPercentage": None, "recurrence": once})
    assert answer["recurrence"] == once


def test_their_voucher_is_ours_with_the_same_meaning():
    """Seen through `vouchers.retrieve`, redeemed, and full."""
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
    """A code, products and other currencies stay ours."""
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
    """One row: both sides show the same."""
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
    """The body has no id of its caller's: the task's own stands for it."""

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
    """A refusal is data, and stays in our words."""
    for name, expected in (("Monthly Basic", None), ("Another", "idempotency_conflict")):
        answer = (
            task_named("gigs.vouchers.create")
            .apply(kwargs={"request": {**PERCENTAGE, "name": name}}, task_id="used")
            .get()
        )
        assert answer.get("reason") == expected


@pytest.mark.parametrize("other", ["gigs.vouchers.retire", "vouchers.retire"])
def test_two_that_retire_at_once_have_one_effect(other):
    """Through either door."""
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
    """Nothing of one project is visible from another."""
    made = task_named("gigs.vouchers.create")(request=PERCENTAGE)
    for task in (task_named("gigs.vouchers.retrieve"), task_named("gigs.vouchers.retire")):
        with pytest.raises(NotFound):
            task(request={**reference(made), "project": "other"})


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"project": ""}, ["project"]),
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"code": "SUMMER"}, ["code"]),
        ({"metadata": {}}, ["metadata"]),
        ({"requestId": "r1"}, ["requestId"]),
        ({"price_discount": None}, ["price_discount"]),
        ({"bogus": SECRET}, ["bogus"]),
        *(({"priceDiscountPercentage": bad}, ["priceDiscountPercentage"]) for bad in (0.99, 100.01, 30.123, "10", 0)),
        ({"priceDiscountPercentage": None}, ["priceDiscountPercentage"]),
        ({"priceDiscount": {"amount": 5, "currency": "USD"}}, ["priceDiscountPercentage"]),
        ({"recurrence": None}, ["recurrence"]),
        ({"recurrence": {}}, ["recurrence.type"]),
        ({"recurrence": {"type": SECRET}}, ["recurrence.type"]),
        ({"recurrence": {"type": "repeating"}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "once", "durationInMonths": 1}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "repeating", "durationInMonths": 0}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"type": "repeating", "duration_in_months": 1}}, None),
        ({"recurrence": {"type": "once", "durationInCycles": None}}, ["recurrence.durationInCycles"]),
        ({"restrictions": {"maximumRedemptions": 0}}, ["restrictions.maximumRedemptions"]),
        ({"restrictions": {"expiresAt": "2026-04-14"}}, ["restrictions.expiresAt"]),
        ({"restrictions": {"startsAt": "2026-04-14T00:00:00Z"}}, ["restrictions.startsAt"]),
        (
            {"name": None, "recurrence": {"type": "once", "durationInMonths": 1}},
            ["name", "recurrence.durationInMonths"],
        ),
    ],
)
def test_a_voucher_with_bad_fields_is_not_created(changes, fields):
    """Every bad field is named; what Gigs does not know is refused, as Gigs refuses it."""
    expected = fields or ["recurrence.durationInMonths", "recurrence.duration_in_months"]
    assert fields_of(task_named("gigs.vouchers.create"), {**PERCENTAGE, **changes}) == expected


@pytest.mark.parametrize(
    ("price", "fields"),
    [
        ({"amount": 0, "currency": "USD"}, ["priceDiscount.amount"]),
        ({"amount": 9.99, "currency": "USD"}, ["priceDiscount.amount"]),
        ({"amount": 5, "currency": "ZZZ"}, ["priceDiscount.currency"]),
        ({"amount": 5}, ["priceDiscount.currency"]),
        ({"amount": 5, "currency": "USD", "currencyOptions": {}}, ["priceDiscount.currencyOptions"]),
    ],
)
def test_a_fixed_discount_with_bad_fields_is_not_created(price, fields):
    """One amount in one currency."""
    assert fields_of(task_named("gigs.vouchers.create"), {**FIXED, "priceDiscount": price}) == fields


@pytest.mark.parametrize("changes", [{"voucher": "vou_nonsense"}, {"voucher": None}, {"project": None}, {"more": 1}])
def test_a_reference_with_a_bad_field_is_refused(changes):
    """The two parameters of the path, and no others."""
    good = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40"}
    for task in (task_named("gigs.vouchers.retrieve"), task_named("gigs.vouchers.retire")):
        with pytest.raises(InvalidRequest) as refused:
            task(request={**good, **changes})
        assert [error["field"] for error in refused.value.errors] == list(changes)


def test_a_list_is_answered_with_exactly_their_fields_newest_first():
    """Available ones by default, ten at most; the positions are those of the last and of the first item."""
    made = [task_named("gigs.vouchers.create")(request=PERCENTAGE) for _ in range(12)][::-1]
    task_named("gigs.vouchers.retire")(request=reference(made.pop(0)))
    page = task_named("gigs.vouchers.list")(request={"project": "gigs"})
    assert page == {
        "object": "list",
        "items": made[:10],
        "moreItemsAfter": made[9]["id"],
        "moreItemsBefore": None,
    }
    last = task_named("gigs.vouchers.list")(request={"project": "gigs", "after": page["moreItemsAfter"], "limit": 200})
    assert (last["items"], last["moreItemsAfter"], last["moreItemsBefore"]) == (made[10:], None, made[10]["id"])
    first = task_named("gigs.vouchers.list")(
        request={"project": "gigs", "before": last["moreItemsBefore"], "limit": 10}
    )
    assert first == page


@pytest.mark.parametrize("status", [["available", "retired"], "available,retired"])
def test_a_list_takes_statuses_as_a_list_and_as_it_is_written_in_a_url(status):
    """With commas, that is."""
    made = [task_named("gigs.vouchers.create")(request=PERCENTAGE) for _ in range(2)]
    retired = task_named("gigs.vouchers.retire")(request=reference(made[0]))
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "status": status})["items"] == [
        made[1],
        retired,
    ]
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "status": ["retired"]})["items"] == [retired]


def test_a_list_finds_a_code_that_another_door_gave():
    """Gigs' documents have no code in the body, and a filter for it in the list."""
    create_voucher(code="OTHER")
    ours = create_voucher(code="SummerCode")
    page = task_named("gigs.vouchers.list")(request={"project": "gigs", "code": "summercode"})
    assert page["items"] == [task_named("gigs.vouchers.retrieve")(request=reference(ours))]


def test_a_list_takes_their_parameters_and_no_others():
    """Pinned, since the message is made of ours."""
    assert set(ListGigsVouchers.model_fields) == {"project", "status", "code", "after", "before", "limit"}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"limit": 201}, ["limit"]),
        ({"limit": -1}, ["limit"]),
        ({"limit": "10"}, ["limit"]),
        ({"status": ["bogus"]}, ["status.0"]),
        ({"status": ""}, ["status.0"]),
        ({"status": []}, ["status"]),
        ({"code": ""}, ["code"]),
        ({"after": "nonsense"}, ["after"]),
        ({"after": "vou_01m802aq92e78rshs8mnssdx40", "before": "vou_01m802aq92e78rshs8mnssdx40"}, ["before"]),
        ({"page": 2}, ["page"]),
        ({"project": None}, ["project"]),
    ],
)
def test_a_list_with_bad_parameters_is_refused(changes, fields):
    """An unknown one is an error, and an empty one too."""
    assert fields_of(task_named("gigs.vouchers.list"), {"project": "gigs", **changes}) == fields


def test_a_limit_of_none_at_all_is_an_empty_page():
    """Their range starts at 0."""
    task_named("gigs.vouchers.create")(request=PERCENTAGE)
    assert task_named("gigs.vouchers.list")(request={"project": "gigs", "limit": 0})["items"] == []
