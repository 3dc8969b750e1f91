"""An export of Gigs: a list of vouchers, which are redeemed here for a year of invoices."""

from pathlib import Path
from typing import Any

import pytest

from tests.exports.running import document, month, rows, run, year
from tests.support.requests import redeem

pytestmark = pytest.mark.usefixtures("database")


def voucher(name: str, **changes: Any) -> dict[str, Any]:
    """Return a voucher of 10 % for three months, as Gigs writes it, with the changes."""
    return {
        "object": "voucher",
        "id": f"vch_{name}",
        "createdAt": "2021-01-21T19:38:34Z",
        "name": name,
        "priceDiscount": None,
        "priceDiscountPercentage": 10,
        "recurrence": {"type": "repeating", "durationInMonths": 3},
        "redemptions": 4,
        "retiredReason": None,
        "status": "available",
        "restrictions": {"expiresAt": None, "maximumRedemptions": None},
        **changes,
    }


FIXED = {"priceDiscountPercentage": None, "priceDiscount": {"amount": 999, "currency": "USD"}}
FULL = {"redemptions": 5, "restrictions": {"expiresAt": None, "maximumRedemptions": 5}}
VOUCHERS = [
    voucher("months"),
    voucher("forever", recurrence={"type": "forever", "durationInMonths": None}),
    voucher("once", **FIXED, recurrence={"type": "once", "durationInMonths": 1}),
    voucher("retired", status="retired", retiredReason="manualAction"),
    voucher("full", status="retired", retiredReason="maxRedemptionsReached", **FULL),
]
YEARS = {"months": [800] * 3 + [0] * 9, "forever": [800] * 12, "once": [999, *[0] * 11]}


def test_vouchers_move_over_and_a_year_of_invoices_is_discounted_as_there(tmp_path: Path):
    """What was retired or full there is so here. A repetition has the same report and no second effect."""
    file = document(tmp_path, {"object": "list", "items": VOUCHERS, "moreItemsAfter": None}, name="vouchers.json")
    before = rows()
    dry = run("gigs", file, folder=tmp_path, applied=False)
    assert rows() == before
    imported = run("gigs", file, folder=tmp_path)
    assert imported.outcomes() == dry.outcomes() == [("voucher", each["id"], "imported") for each in VOUCHERS]
    ids = {each["id"].removeprefix("vch_"): each["importedAs"] for each in imported.lines}
    for name, amounts in YEARS.items():
        owner = {"customer": f"cus_{name}", "subscription": f"sub_{name}"}
        redeemed = redeem(voucher=ids[name], startsOn=month(1).isoformat(), currency="USD", **owner)
        assert redeemed["reason"] is None
        assert year(**owner) == amounts
    assert redeem(voucher=ids["retired"])["reason"] == "voucher_retired"
    assert redeem(voucher=ids["full"])["reason"] == "max_redemptions_reached"
    after = rows()
    assert run("gigs", file, folder=tmp_path) == imported
    assert rows() == after


def test_a_field_that_is_not_known_is_named(tmp_path: Path):
    """It might restrict the voucher."""
    file = document(tmp_path, [voucher("new", minimumPlan=1)], name="vouchers.json")
    (line,) = run("gigs", file, folder=tmp_path).lines
    assert (line["outcome"], line["reason"]) == ("invalid", "?: is not a field of this request")


def test_more_redemptions_than_the_limit_end_no_import(tmp_path: Path):
    """Such a voucher is full."""
    lowered = voucher("lowered", redemptions=6, restrictions={"expiresAt": None, "maximumRedemptions": 5})
    file = document(tmp_path, [lowered, voucher("next")], name="vouchers.json")
    imported = run("gigs", file, folder=tmp_path)
    assert imported.outcomes() == [("voucher", "vch_lowered", "imported"), ("voucher", "vch_next", "imported")]
    assert redeem(voucher=imported.lines[0]["importedAs"])["reason"] == "max_redemptions_reached"
