"""`redemptions.list`: filters, pages in both directions, spans of time, and bad fields."""

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import text

from domain.eligibility import Refusal
from models.redemptions.listing import REASONS
from tasks.wire.errors import InvalidRequest
from tests.support.changes import move
from tests.support.endings import end
from tests.support.pages import items, listed, pages_backward, pages_forward
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

LIST = "redemptions.list"
UNKNOWN = "red_01m802aq92e78rshs8mnssdx40"


def request_ids(**fields: Any) -> list[str]:
    """Return the request ids on a page of the list."""
    return [each["requestId"] for each in items(LIST, **fields)]


def test_an_item_is_the_answer_of_retrieving():
    """Accepted and refused redemptions, newest first."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 1})["id"]
    accepted = redeem(voucher=voucher, requestId="a")
    refused = redeem(code="summer", requestId="b")
    assert (accepted["outcome"], refused["reason"]) == ("accepted", "max_redemptions_reached")
    assert items(LIST) == [refused, accepted]
    retrieved = [
        task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": each["requestId"]})
        for each in items(LIST)
    ]
    assert retrieved == [refused, accepted]


@pytest.fixture
def decided() -> list[dict[str, Any]]:
    """Decide redemptions of two vouchers, three codes, three customers and three subscriptions, newest first."""
    one = create_voucher(code="ONE", restrictions={"maximumRedemptionsPerCustomer": 2})
    two = create_voucher(code="Two")["id"]
    add_codes(one, {"code": "LIMITED", "maximumRedemptions": 1})
    answers = [
        redeem(requestId="by-id", voucher=one["id"], customer="cus_1", subscription="sub_1"),
        redeem(code="one", customer="cus_2", subscription="sub_1"),
        redeem(code="limited", customer="cus_2", subscription="sub_2"),
        redeem(code="LIMITED", customer="cus_3", subscription="sub_3"),
        redeem(code="ONE", customer="cus_2", subscription="sub_3"),
        redeem(code="ONE", customer="cus_2", subscription="sub_4"),
        redeem(requestId="by-id-too", voucher=two, customer="cus_2", subscription="sub_2"),
        redeem(code="TWO", customer="cus_3", subscription="sub_1"),
        redeem(code="TWOO", customer="cus_3", subscription="sub_1"),
        redeem(code="twoo", customer="cus_1", subscription="sub_2"),
    ]
    end(answers[2]["discount"])
    assert {each["reason"] for each in answers} == {
        *(None, "already_applied", "code_max_redemptions_reached", "customer_limit_reached", "voucher_not_found")
    }
    return answers[::-1]


def matches(answer: dict[str, Any], filters: dict[str, Any]) -> bool:
    """Return whether a list with the filters has the answer."""
    named_code = None if answer["requestId"].startswith("by-id") else answer["code"]
    shown = {**answer, "code": named_code and named_code.lower()}
    wanted = {**filters, **({"code": filters["code"].lower()} if "code" in filters else {})}
    reasons = wanted.pop("reason", [shown["reason"]])
    return shown["reason"] in reasons and all(shown[name] == each for name, each in wanted.items())


@pytest.mark.slow
def test_filters_narrow_the_list_in_every_combination(decided):
    """The expected answers are those of the first calls."""
    voucher = decided[-1]["voucher"]
    choices: dict[str, list[Any]] = {
        "customer": [None, "cus_1", "cus_2", "cus_9"],
        "subscription": [None, "sub_1", "sub_2"],
        "voucher": [None, voucher, "vou_01m802aq92e78rshs8mnssdx40"],
        "code": [None, "oNE", "limited", "Twoo", "no code!"],
        "outcome": [None, "accepted", "refused"],
    }
    for values in product(*choices.values()):
        filters = {name: value for name, value in zip(choices, values, strict=True) if value is not None}
        assert items(LIST, **filters) == [each for each in decided if matches(each, filters)], filters
    for reasons in (["already_applied"], ["voucher_not_found", "already_applied"], ["voucher_expired"]):
        for owner in ({}, {"customer": "cus_2"}, {"subscription": "sub_1"}, {"voucher": voucher}, {"code": "ONE"}):
            filters = {"reason": reasons, **owner}
            assert items(LIST, **filters) == [each for each in decided if matches(each, filters)], filters


def test_a_code_is_one_that_the_request_named():
    """Of all codes with the text, also of other vouchers. A request that names the voucher's id names no code."""
    first = create_voucher(code="SUMMER")["id"]
    redeem(requestId="1", code="summer")
    redeem(requestId="2", voucher=first)
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": first})
    create_voucher(code="Summer")
    redeem(requestId="3", code="SUMMER")
    assert request_ids(code="summer") == ["3", "1"]


def test_a_redemption_keeps_its_subscription():
    """Also if the discount was moved, to and fro."""
    discount = redeem(requestId="moved", voucher=create_voucher()["id"], customer="cus_1", subscription="sub_1")[
        "discount"
    ]
    redeem(requestId="there", voucher=create_voucher()["id"], customer="cus_1", subscription="sub_2")
    for target, earlier in (("sub_2", "sub_1"), ("sub_1", "sub_2"), ("sub_3", "sub_1")):
        move(discount, subscription=target)
        assert request_ids(subscription="sub_1") == ["moved"]
        assert request_ids(subscription="sub_2") == ["there"]
        assert request_ids(subscription="sub_3") == []
        assert earlier != target


@pytest.mark.parametrize("owner", [None, "customer", "subscription", "voucher", "code"])
def test_pages_follow_each_other_in_both_directions(owner):
    """Each redemption is on one page, accepted or refused."""
    voucher = create_voucher(code="SUMMER")["id"]
    owners = {"customer": "cus_1", "subscription": "sub_1", "voucher": voucher, "code": "SUMMER"}
    for _ in range(4):
        accepted, *refused = (redeem(code="SUMMER", customer="cus_1", subscription="sub_1") for _ in range(3))
        assert [each["reason"] for each in refused] == ["already_applied"] * 2
        end(accepted["discount"])
    by_owner = {owner: owners[owner]} if owner else {}
    pages = pages_forward(LIST, **by_owner, limit=5)
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [each for page in pages for each in page] == items(LIST, **by_owner, limit=200)
    back = pages_backward(LIST, **by_owner, limit=5, before=pages[-1][-1]["id"])
    assert [each for page in reversed(back) for each in page] == [each for page in pages for each in page][:-1]
    assert listed(LIST, **by_owner, limit=0) == {
        "object": "list",
        "items": [],
        "moreItemsAfter": None,
        "moreItemsBefore": None,
    }


def test_a_span_of_time_includes_its_beginning_only(decided):
    """To the microsecond, alone and with an owner."""
    instants = [datetime.fromisoformat(each["decidedAt"]) for each in decided]
    assert instants == sorted(instants, reverse=True)
    tick = timedelta(microseconds=1)
    for owner in ({}, {"customer": "cus_2"}, {"subscription": "sub_1"}, {"voucher": decided[-1]["voucher"]}):
        of_owner = [each for each in decided if matches(each, owner)]
        for at in instants[2:5]:
            for edge in (at - tick, at, at + tick):
                first = [each for each in of_owner if datetime.fromisoformat(each["decidedAt"]) >= edge]
                assert items(LIST, **owner, decidedFrom=edge.isoformat()) == first
                assert items(LIST, **owner, decidedBefore=edge.isoformat()) == of_owner[len(first) :]
        span = {"decidedFrom": instants[6].isoformat(), "decidedBefore": instants[2].isoformat()}
        assert items(LIST, **owner, **span) == [each for each in decided[3:7] if each in of_owner]
    pages = pages_forward(LIST, limit=1, **span)
    assert [each for page in pages for each in page] == decided[3:7]


def test_the_answers_of_a_batch_are_in_the_order_sent():
    """They have the same instant."""
    voucher = create_voucher()["id"]
    requests = [redemption(voucher=voucher) for _ in range(300)]
    sent = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert items(LIST, limit=200) + items(LIST, limit=200, after=sent[100]["id"]) == sent[::-1]


def test_another_project_sees_nothing(decided):
    """Whatever the filter."""
    for filters in ({}, {"customer": "cus_1"}, {"code": "ONE"}, {"voucher": decided[-1]["voucher"]}):
        assert task_named(LIST)(request={"project": "other", **filters})["items"] == []
        assert task_named(LIST)(request={"project": "other", **filters, "before": decided[-1]["id"]})["items"] == []


def test_every_stored_reason_is_listed():
    """The list without a filter reads each reason by itself, so a new reason must be one of them."""
    with transaction() as session:
        condition = session.execute(
            text("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_redemptions_reason_known'")
        ).scalar_one()
    assert {each for each in Refusal if f"'{each}'" in condition} == REASONS


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"voucher": "vou_1", "limit": 201, "status": []}, {"voucher", "limit", "status"}),
        ({"outcome": "accepted", "reason": ["voucher_expired"]}, {"reason"}),
        ({"outcome": "pending", "reason": []}, {"outcome", "reason"}),
        ({"reason": ["out_of_luck"]}, {"reason.0"}),
        ({"after": UNKNOWN, "before": UNKNOWN}, {"before"}),
        ({"decidedFrom": "2027-01-01T00:00:00Z", "decidedBefore": "2027-01-01T00:00:00Z"}, {"decidedBefore"}),
        ({"decidedFrom": "2027-01-01", "after": "dis_01m802aq92e78rshs8mnssdx40"}, {"decidedFrom", "after"}),
    ],
)
def test_every_bad_field_of_a_list_is_named(fields, bad):
    """No filter is needed, but each is checked."""
    with pytest.raises(InvalidRequest) as error:
        listed(LIST, **fields)
    assert {each["field"] for each in error.value.errors} == bad
