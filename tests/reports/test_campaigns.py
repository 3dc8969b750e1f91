"""`reports.discounts` by campaign, and of the vouchers that a filter lets through."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.reports.test_discounts import move_to, report, this_month
from tests.support.pages import listed
from tests.support.requests import apply, create_voucher, redeem

pytestmark = pytest.mark.usefixtures("database")


def given(number: int, **fields: Any) -> str:
    """Create a voucher, redeem it, discount an invoice by USD 8.00, and return the voucher's id."""
    voucher: str = create_voucher(**fields)["id"]
    redeem(voucher=voucher, subscription=f"sub_{number}", customer="cus_1", startsOn="2027-01-01")
    apply(subscription=f"sub_{number}", invoice=f"inv_{number}")
    return voucher


def test_the_sums_of_a_campaign_are_those_of_its_vouchers():
    """By month and currency. Vouchers without a campaign are one group, which comes first."""
    for number, campaign in enumerate(("spring", None, "spring", "autumn", None)):
        given(number, campaign=campaign)
    given(5, campaign="spring", project="gigs")
    move_to("2027-03", invoice="inv_2")
    sums = {"redeemed": 1, "given": {"USD": 800}, "reversed": {}, "net": {"USD": 800}}
    twice = {"redeemed": 2, "given": {"USD": 1600}, "reversed": {}, "net": {"USD": 1600}}
    of_march = {"month": "2027-03", **sums, "redeemed": 0}
    assert report(groupBy="campaign") == [
        {"object": "discountReport", "campaign": None, "months": [{"month": this_month(), **twice}]},
        {"object": "discountReport", "campaign": "autumn", "months": [{"month": this_month(), **sums}]},
        {
            "object": "discountReport",
            "campaign": "spring",
            "months": [{"month": this_month(), **twice, "redeemed": 3}, of_march],
        },
    ]


def test_campaigns_come_in_pages_in_both_directions():
    """The position of the vouchers without a campaign is an empty text."""
    for number, campaign in enumerate(("b", None, "a", "c", "Ä")):
        given(number, campaign=campaign)
    order = [None, "a", "b", "c", "Ä"]
    assert [each["campaign"] for each in report(groupBy="campaign")] == order
    walked, after = [], None
    while True:
        answer = listed("reports.discounts", groupBy="campaign", limit=1, **({} if after is None else {"after": after}))
        (item,) = answer["items"]
        walked.append(item["campaign"])
        assert answer["moreItemsBefore"] == (None if item["campaign"] is None else item["campaign"])
        after = answer["moreItemsAfter"]
        if after is None:
            break
        assert after == (item["campaign"] or "")
    assert walked == order
    back = listed("reports.discounts", groupBy="campaign", limit=2, before="c")
    assert [each["campaign"] for each in back["items"]] == ["a", "b"]
    assert (back["moreItemsAfter"], back["moreItemsBefore"]) == ("b", "a")


def test_a_report_is_of_the_vouchers_that_the_filters_let_through():
    """All filters of the list, for vouchers and for campaigns."""
    fields = {"campaign": "spring", "name": "Spring sale", "metadata": {"team": "emea"}}
    wanted = given(0, **fields)
    for number, (name, other) in enumerate({"campaign": "x", "name": "Sale", "metadata": {"team": "y"}}.items(), 1):
        given(number, **{**fields, name: other})
    filters = {**fields, "name": "Spring"}
    assert [each["voucher"] for each in report(**filters)] == [wanted]
    assert [each["campaign"] for each in report(**filters, groupBy="campaign")] == ["spring"]
    assert report(**filters, createdBefore="2020-01-01T00:00:00Z") == []
    assert len(report(createdFrom="2020-01-01T00:00:00Z")) == 4


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"groupBy": "month"}, "groupBy"),
        ({"groupBy": "campaign", "after": 1}, "after"),
        ({"groupBy": "campaign", "before": "a" * 256}, "before"),
        ({"groupBy": "campaign", "after": "a", "before": "b"}, "before"),
        ({"after": "spring"}, "after"),
    ],
)
def test_a_bad_grouping_or_position_is_named(fields, field):
    """A position of campaigns is none of vouchers."""
    with pytest.raises(InvalidRequest) as raised:
        report(**fields)
    assert [each["field"] for each in raised.value.errors] == [field]
