"""`priority`: the order of the discounts on an invoice, from the voucher to the ledger."""

import pytest

from tasks.wire.errors import InvalidRequest
from tests.invoices.calls import grant
from tests.invoices.previews import look
from tests.support.holds import reserve
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

HALF = {"priceDiscountPercentage": 50}


def update(voucher: dict, **fields) -> dict:
    """Update a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def test_a_voucher_has_a_priority_which_is_500_unless_it_names_another():
    """The answer shows it, and null is not a priority."""
    assert (create_voucher()["priority"], create_voucher(priority=0)["priority"]) == (500, 0)
    voucher = create_voucher(priority=1_000)
    assert update(voucher, priority=7)["priority"] == 7
    for wrong in (-1, 1_001, 1.5, "1", True):
        with pytest.raises(InvalidRequest):
            create_voucher(priority=wrong)
    with pytest.raises(InvalidRequest) as refused:
        update(voucher, priority=None)
    assert [each["field"] for each in refused.value.errors] == ["priority"]


def test_the_lowest_priority_is_applied_first_on_an_invoice_and_in_a_preview():
    """The other discount applies to the rest, although it was redeemed before."""
    usual, first = grant(), grant(**HALF, priority=499)
    (previewed,) = look(periods=1)["periods"]
    applied = apply()
    for answer in (previewed, applied):
        assert [each["discount"] for each in answer["discounts"]] == [first["discount"], usual["discount"]]
        assert [each["amount"] for each in answer["discounts"]] == [4_000, 400]


def test_a_restricted_discount_comes_after_a_lower_priority():
    """Products decide the order only among discounts of the same priority."""
    lines = [{"id": "base", "amount": 8_000, "product": "prod_a"}]
    first = grant(**HALF, priority=1)
    restricted = create_voucher(restrictions={"products": ["prod_a"]})["id"]
    second = redeem(voucher=restricted, subscription="sub_1", products=["prod_a"], startsOn="2027-01-01")
    assert [each["discount"] for each in apply(lines=lines)["discounts"]] == [first["discount"], second["discount"]]


def test_the_priority_is_fixed_by_the_first_redemption_and_by_a_hold():
    """As the other terms that a discount copies."""
    redeemed, held = create_voucher(), create_voucher()
    redeem(voucher=redeemed["id"])
    reserve(voucher=held["id"])
    assert update(redeemed, priority=1)["reason"] == "voucher_already_redeemed"
    assert update(held, priority=1)["reason"] == "voucher_held"
    assert update(redeemed, priority=500)["status"] == "available"


def test_the_history_of_a_voucher_tells_the_change():
    """With the value before and after."""
    voucher = create_voucher()
    update(voucher, priority=3)
    reference = {"project": "gigs", "voucher": voucher["id"]}
    change = task_named("vouchers.history")(request=reference)["items"][0]
    assert (change["from"], change["to"]) == ({"priority": 500}, {"priority": 3})
