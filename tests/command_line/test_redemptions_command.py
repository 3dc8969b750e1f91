"""`scrip redemptions`: decisions are listed and shown."""

import pytest

from tests.command_line.running import scrip
from tests.support.requests import create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")


def test_decisions_are_listed_newest_first_and_filtered():
    """Accepted and refused ones, as the task lists them."""
    voucher = create_voucher(code="SUMMER")["id"]
    accepted = redeem(voucher=voucher, customer="cus_é")
    refused = redeem(code="UNKNOWN")
    redeem(project="other", code="UNKNOWN")
    assert scrip("redemptions", "list", "--json").lines() == [refused, accepted]
    assert scrip("redemptions", "list").rows() == [
        [
            *(refused["requestId"], "refused", "voucher_not_found", refused["customer"], refused["subscription"]),
            *("", "UNKNOWN", refused["decidedAt"]),
        ],
        [
            *(accepted["requestId"], "accepted", "", "cus_é", accepted["subscription"], voucher),
            *("SUMMER", accepted["decidedAt"]),
        ],
    ]
    for words, listed in (
        (("--outcome", "accepted"), [accepted]),
        (("--reason", "voucher_not_found", "--reason", "voucher_retired"), [refused]),
        (("--customer", "cus_é"), [accepted]),
        (("--subscription", refused["subscription"]), [refused]),
        (("--voucher", voucher), [accepted]),
        (("--code", "unknown"), [refused]),
        (("--decided-from", refused["decidedAt"]), [refused]),
        (("--decided-before", refused["decidedAt"]), [accepted]),
        (("--after", refused["id"]), [accepted]),
        (("--limit", "1"), [refused]),
    ):
        assert scrip("redemptions", "list", *words, "--json").lines() == listed, words
    assert scrip("redemptions", "list", "--outcome", "perhaps").code == 5


def test_a_decision_is_shown_by_its_request_id():
    """To read a refusal is no refusal."""
    refused = redeem(code="UNKNOWN")
    done = scrip("redemptions", "show", refused["requestId"], "--json")
    assert (done.code, done.lines()) == (0, [refused])
    assert ["reason", "voucher_not_found"] in scrip("redemptions", "show", refused["requestId"]).rows()
    assert scrip("redemptions", "show", "nobody's") == (4, "", "scrip: the project has no such redemption\n")
