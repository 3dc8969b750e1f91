"""`scrip explain`: the explanation of the task, a sentence a line."""

import pytest

from tests.command_line.running import scrip
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_an_explanation_has_a_line_for_each_sentence():
    """With `--json`, it is the whole answer of the task."""
    voucher = create_voucher(code="SUMMER")
    granted = redeem(voucher=voucher["id"], subscription="sub_1", customer="cus_é", startsOn="2027-01-01")
    refused = redeem(code="UNKNOWN", subscription="sub_1", customer="cus_é")
    apply(invoice="inv_1", customer="cus_é")
    answer = task_named("support.explain")(request={"project": "gigs", "customer": "cus_é"})
    rows = scrip("explain", "--customer", "cus_é").rows()
    assert rows[0] == ["finding", answer["finding"], "", answer["text"]]
    assert [row[:2] for row in rows[1:]] == [
        ["request", granted["requestId"]],
        ["request", refused["requestId"]],
        ["discount", granted["discount"]],
        ["discount: amount", "inv_1"],
    ]
    assert all(row[2] and row[3] for row in rows[1:])
    assert scrip("explain", "--customer", "cus_é", "--json").lines() == [answer]
    on_invoice = scrip("explain", "--invoice", "inv_1").rows()
    assert ["discount: on this invoice", "applied"] in [row[:2] for row in on_invoice]
    cut_off = scrip("explain", "--customer", "cus_é", "--limit", "1")
    assert cut_off.errors == f"there are older ones: --requests-before {refused['id']}\n"
    older = scrip("explain", "--customer", "cus_é", "--limit", "1", "--requests-before", refused["id"]).rows()
    assert ["request", granted["requestId"]] in [row[:2] for row in older]


def test_what_is_left_out_is_said():
    """Older amounts of a discount, and older discounts of the customer on other subscriptions."""
    voucher = create_voucher()["id"]
    one, two = (redeem(voucher=voucher, subscription=each, customer="cus_1")["discount"] for each in ("sub_2", "sub_3"))
    for number in range(21):
        apply(invoice=f"inv_{number}", subscription="sub_3")
    apply(invoice="inv_here")
    done = scrip("explain", "--invoice", "inv_here", "--limit", "1")
    assert [row[1] for row in done.rows() if row[0] == "discount elsewhere"] == [two]
    assert done.errors.splitlines()[-2:] == [
        f"older amounts of {two} are left out",
        "older discounts elsewhere are left out: --customer cus_1",
    ]
    assert "left out" not in scrip("explain", "--subscription", "sub_2").errors
    assert one != two


def test_one_subject_is_explained():
    """By the rule of the task. Nobody knows the invoice, which is an explanation too."""
    assert scrip("explain").code == 5
    assert scrip("explain", "--customer", "cus_1", "--invoice", "inv_1").code == 5
    done = scrip("explain", "--invoice", "inv_1")
    assert (done.code, [row[:2] for row in done.rows()]) == (0, [["finding", "invoice_not_found"]])
