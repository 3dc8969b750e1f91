"""`scrip reports`: what vouchers gave, by month."""

import pytest

from tests.command_line.running import scrip
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_report_has_a_line_for_each_voucher_and_month():
    """With `--json`, a voucher is an object, as in the answer of the task."""
    vouchers = [create_voucher(name=name) for name in ("Winter ❄", "Summer", "Unused")]
    for number, voucher in enumerate(vouchers[:2]):
        redeem(voucher=voucher["id"], subscription=f"sub_{number}", customer="cus_1", startsOn="2027-01-01")
        apply(subscription=f"sub_{number}")
    (report,) = task_named("reports.discounts")(request={"project": "gigs", "voucher": vouchers[0]["id"]})["items"]
    month = report["months"][0]["month"]
    assert scrip("reports", "discounts").rows() == [
        [voucher["id"], voucher["name"], month, "1", '{"USD": 800}', "{}", '{"USD": 800}']
        for voucher in vouchers[1::-1]
    ]
    words = ("--voucher", vouchers[0]["id"], "--month-from", month)
    assert scrip("reports", "discounts", *words, "--json").lines() == [report]
    assert scrip("reports", "discounts", "--month-before", month).rows() == []
    assert scrip("reports", "discounts", "--month-from", "soon").code == 5
    assert scrip("reports", "discounts", project="other").rows() == []


def test_a_report_can_be_of_campaigns():
    """Vouchers without a campaign come first, and filters narrow the report."""
    for number, campaign in enumerate(("spring", None, "spring")):
        voucher = create_voucher(campaign=campaign, metadata={"n": number})["id"]
        redeem(voucher=voucher, subscription=f"sub_{number}")
    rows = scrip("reports", "discounts", "--group-by", "campaign").rows()
    assert [(row[0], row[2]) for row in rows] == [("", "1"), ("spring", "2")]
    words = ("--group-by", "campaign", "--metadata", '{"n": 2}', "--campaign", "spring", "--name", "Ten")
    assert [row[0::2][:2] for row in scrip("reports", "discounts", *words).rows()] == [["spring", "1"]]
    assert scrip("reports", "discounts", "--metadata", "n").code == 5
    assert scrip("reports", "discounts", "--group-by", "month").code == 5
