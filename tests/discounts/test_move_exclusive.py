"""Moving an exclusive discount, or moving to a subscription that has one; and discounts that would run again there."""

import pytest

from tests.discounts.calls import grant
from tests.support.changes import move
from tests.support.holds import lapse, release, reserve
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import ONCE, reverse

pytestmark = pytest.mark.usefixtures("database")

ONE_IS_EXCLUSIVE = pytest.mark.parametrize(("moved", "there"), [(True, False), (False, True), (True, True)])


def granted(**fields) -> str:
    """Redeem a new voucher on sub_1, and return the discount."""
    return str(grant(create_voucher(**fields)["id"])["discount"])


@ONE_IS_EXCLUSIVE
def test_an_exclusive_discount_is_not_moved_beside_another(moved, there):
    """The discount stays where it is, and the refusal is final."""
    discount = granted(exclusive=moved)
    redeem(voucher=create_voucher(exclusive=there)["id"], subscription="sub_2")
    answers = [move(discount, requestId="move-1") for _ in range(2)]
    assert answers[0] == answers[1]
    assert (answers[0]["reason"], answers[0]["retryable"]) == ("not_combinable", False)
    assert move(discount, "sub_3")["subscription"] == "sub_3"


@ONE_IS_EXCLUSIVE
@pytest.mark.parametrize("let_go", [release, lambda _: lapse()], ids=["released", "lapsed"])
def test_a_hold_on_the_subscription_counts_until_it_has_ended(moved, there, let_go):
    """The refusal is not stored, so the same request succeeds then."""
    discount = granted(exclusive=moved)
    hold = reserve(voucher=create_voucher(exclusive=there)["id"], subscription="sub_2")
    answer = move(discount, requestId="move-1")
    assert (answer["reason"], answer["retryable"]) == ("fully_reserved", True)
    let_go(hold)
    assert move(discount, requestId="move-1")["subscription"] == "sub_2"


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_customers_own_hold_of_the_voucher_is_waited_for(exclusive):
    """It can still be confirmed."""
    voucher = create_voucher(exclusive=exclusive)["id"]
    discount = str(grant(voucher)["discount"])
    reserve(voucher=voucher, customer="cus_1", subscription="sub_2")
    answer = move(discount, requestId="move-1")
    assert (answer["reason"], answer["retryable"]) == ("fully_reserved", True)
    lapse()
    assert move(discount, requestId="move-1")["subscription"] == "sub_2"


@ONE_IS_EXCLUSIVE
def test_a_void_lets_no_discount_run_beside_an_exclusive_one(moved, there):
    """It stays completed. The next invoice has one of the two, and the other is skipped."""
    first = granted(**ONCE, exclusive=moved)
    apply(invoice="inv_1")
    second = granted(exclusive=there)
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    invoice = apply()
    assert [each["discount"] for each in invoice["discounts"]] == [first]
    assert [(each["discount"], each["reason"]) for each in invoice["skipped"]] == [(second, "not_combinable")]
