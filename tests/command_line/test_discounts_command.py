"""`scrip discounts`: discounts are listed, shown, moved, extended and ended."""

import pytest

from tests.command_line.running import scrip
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"


@pytest.fixture
def discount() -> str:
    """Grant the discount of a voucher for three months to the subscription sub_1."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 3})
    granted: str = redeem(voucher=voucher["id"], subscription="sub_1", customer="cus_1", startsOn="2027-01-01")[
        "discount"
    ]
    return granted


def stored(discount: str) -> dict:
    """Return the discount as it is now."""
    answer: dict = task_named("discounts.retrieve")(request={"project": "gigs", "discount": discount})
    return answer


def test_discounts_are_listed_by_an_owner(discount: str):
    """At least one, by the rule of the task."""
    other = redeem(voucher=stored(discount)["voucher"])["discount"]
    assert scrip("discounts", "list", "--subscription", "sub_1", "--json").lines() == [stored(discount)]
    assert [row[0] for row in scrip("discounts", "list", "--voucher", stored(discount)["voucher"]).rows()] == [
        other,
        discount,
    ]
    assert [row[:4] for row in scrip("discounts", "list", "--customer", "cus_1", "--status", "running").rows()] == [
        [discount, "running", "cus_1", "sub_1"]
    ]
    assert scrip("discounts", "list", "--customer", "cus_1", "--status", "ended").rows() == []
    assert scrip("discounts", "list").code == 5


def test_a_discount_is_shown(discount: str):
    """By its id, in its project."""
    assert scrip("discounts", "show", discount, "--json").lines() == [stored(discount)]
    assert ["status", "running"] in scrip("discounts", "show", discount).rows()
    assert scrip("discounts", "show", UNKNOWN) == (4, "", "scrip: the project has no such discount\n")
    assert scrip("discounts", "show", discount, project="other").code == 4


def test_a_discount_is_moved_and_extended_by_somebody(discount: str):
    """The history names the actor, if there is one."""
    words = ("--actor", "anna@support", "--note", "Upgrade ✓", "--request-id", "move-1", "--json")
    moved = scrip("discounts", "move", discount, "sub_2", *words)
    assert (moved.code, moved.lines()[0]["subscription"]) == (0, "sub_2")
    assert scrip("discounts", "move", discount, "sub_2", *words).lines() == moved.lines()
    extended = scrip("discounts", "extend", discount, "--months", "2", "--actor", "anna@support", "--json")
    assert (extended.code, extended.lines()[0]["recurrence"]["durationInMonths"]) == (0, 5)
    assert [(each["kind"], each["actor"]) for each in stored(discount)["history"]] == [
        ("extended", "anna@support"),
        ("moved", "anna@support"),
        ("granted", None),
    ]
    assert scrip("discounts", "extend", discount, "--cycles", "2", "--actor", "anna@support").code == 5
    assert scrip("discounts", "extend", discount, "--actor", "anna@support").code == 5


def test_ending_needs_a_yes(discount: str):
    """Without a terminal nobody can be asked."""
    assert scrip("discounts", "end", discount).code == 2
    assert stored(discount)["status"] == "running"
    done = scrip("discounts", "end", discount, "--yes", "--actor", "anna@support", "--json")
    assert (done.code, done.lines()[0]["status"]) == (0, "ended")
    assert stored(discount)["history"][0]["actor"] == "anna@support"
    assert scrip("discounts", "end", UNKNOWN, "--yes").code == 4
    refused = scrip("discounts", "move", discount, "sub_2", "--actor", "anna@support", "--json")
    assert (refused.code, refused.lines()[0]["outcome"]) == (3, "refused")
