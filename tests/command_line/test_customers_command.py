"""`scrip customers erase` and `scrip prune`: the use cases from a terminal."""

import pytest

from tests.command_line.running import scrip
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_customer_is_erased_if_that_is_confirmed():
    """The answer counts the rows, and does not name the customer."""
    create_voucher(code="OPEN")
    redeem(code="OPEN", customer="cus_1", subscription="sub_1")
    refused = scrip("customers", "erase", "cus_1")
    assert refused == (2, "", "scrip: nothing was done: without a terminal, this needs --yes\n")
    erased = scrip("customers", "erase", "cus_1", "--yes", "--actor", "anna@support", "--json")
    assert (erased.code, erased.lines()[0]["rows"]) == (0, 2)
    assert "cus_1" not in str(erased)
    listed = task_named("discounts.list")(request={"project": "gigs", "subscription": "sub_1"})["items"]
    assert [each["customer"].partition("_")[0] for each in listed] == ["erased"]


def test_pruning_shows_its_counts():
    """Without settings, nothing is deleted."""
    assert scrip("prune", "--json").lines() == [
        {"object": "pruning", "refused": 0, "deadLetters": 0, "answers": 0, "erasureKeys": 0}
    ]
