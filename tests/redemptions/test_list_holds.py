"""`holds.list`: owners, statuses, pages in both directions, and bad fields."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.support.holds import confirm, lapse, release, reserve
from tests.support.pages import items, listed, pages_backward, pages_forward
from tests.support.requests import create_voucher
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

LIST = "holds.list"
UNKNOWN = "hol_01m802aq92e78rshs8mnssdx40"


def ids(**fields: Any) -> list[str]:
    """Return the ids on a page of the list."""
    return [each["id"] for each in items(LIST, **fields)]


def test_an_item_is_the_answer_of_reserving_with_the_present_status():
    """Newest first. A refused request is no hold."""
    voucher = create_voucher()["id"]
    holds = [reserve(voucher=voucher, customer="cus_1") for _ in range(3)]
    confirm(holds[0])
    release(holds[1])
    reserve(voucher=create_voucher(restrictions={"products": ["prod_a"]})["id"], customer="cus_1")
    statuses = ("confirmed", "released", "open")
    assert (
        items(LIST, customer="cus_1")
        == [{**hold, "status": status} for hold, status in zip(holds, statuses, strict=True)][::-1]
    )


def test_holds_are_listed_by_owner():
    """Several owners narrow the list."""
    one, two = (create_voucher()["id"] for _ in range(2))
    a = reserve(voucher=one, customer="cus_1", subscription="sub_1")["id"]
    b = reserve(voucher=two, customer="cus_1", subscription="sub_2")["id"]
    c = reserve(voucher=one, customer="cus_2", subscription="sub_2")["id"]
    assert ids(customer="cus_1") == [b, a]
    assert ids(subscription="sub_2") == [c, b]
    assert ids(voucher=one) == [c, a]
    assert ids(subscription="sub_2", customer="cus_1", voucher=two) == ids(customer="cus_1", voucher=two) == [b]
    assert ids(subscription="sub_1", voucher=two) == []
    assert task_named(LIST)(request={"project": "other", "customer": "cus_1"})["items"] == []
    assert task_named(LIST)(request={"project": "other", "voucher": one, "before": a})["items"] == []


def test_a_hold_has_lapsed_whether_or_not_a_sweep_has_run():
    """The sweep changes no answer."""
    voucher = create_voucher()["id"]
    lapsed = [reserve(voucher=voucher, customer="cus_1")["id"] for _ in range(2)]
    lapse()
    there = reserve(voucher=voucher, customer="cus_1")["id"]
    filters: list[dict[str, Any]] = [{}, {"status": ["open"]}, {"status": ["lapsed"]}, {"status": ["open", "lapsed"]}]
    before = [items(LIST, customer="cus_1", **each) for each in filters]
    task_named("expiry.sweep")(request={})
    assert [items(LIST, customer="cus_1", **each) for each in filters] == before
    assert [[each["id"] for each in page] for page in before] == [
        *([there, *lapsed[::-1]], [there], lapsed[::-1], [there, *lapsed[::-1]])
    ]
    assert [each["status"] for each in before[0]] == ["open", "lapsed", "lapsed"]


@pytest.mark.parametrize("owner", ["customer", "subscription", "voucher"])
def test_pages_follow_each_other_in_both_directions(owner):
    """Whatever the status of each hold. A later hold of the customer for the subscription replaces an earlier one."""
    voucher = create_voucher()["id"]
    for _ in range(3):
        reserve(voucher=voucher, customer="cus_1", subscription="sub_1")
        release(reserve(voucher=voucher, customer="cus_1", subscription="sub_1"))
    owned_by = {owner: {"customer": "cus_1", "subscription": "sub_1", "voucher": voucher}[owner]}
    every = items(LIST, **owned_by)
    assert [each["status"] for each in every] == ["released", "replaced"] * 3
    pages = pages_forward(LIST, **owned_by, limit=4)
    assert [len(page) for page in pages] == [4, 2]
    assert [each for page in pages for each in page] == every
    back = pages_backward(LIST, **owned_by, limit=4, before=every[-1]["id"])
    assert [each for page in reversed(back) for each in page] == every[:-1]
    assert items(LIST, **owned_by, status=["replaced"]) == every[1::2]


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"voucher"}),
        ({"customer": "cus_1", "status": ["refused"]}, {"status.0"}),
        ({"customer": "cus_1", "status": []}, {"status"}),
        ({"customer": "cus_1", "after": UNKNOWN, "before": UNKNOWN}, {"before"}),
        ({"customer": "", "limit": 201, "code": "X"}, {"customer", "limit", "code"}),
    ],
)
def test_every_bad_field_of_a_list_is_named(fields, bad):
    """At least one owner is needed."""
    with pytest.raises(InvalidRequest) as error:
        listed(LIST, **fields)
    assert {each["field"] for each in error.value.errors} == bad
