"""`exclusive`: a discount that is never together with another on a subscription, redeemed and held."""

import pytest

from tests.invoices.previews import preview
from tests.support.endings import end
from tests.support.holds import confirm, lapse, release, reserve, validate
from tests.support.requests import create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

HERE = {"subscription": "sub_1", "customer": "cus_1"}
THERE = {"subscription": "sub_2", "customer": "cus_1"}
ONE_IS_EXCLUSIVE = pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])


def voucher(*, exclusive: bool) -> str:
    """Create a voucher that is exclusive or not, and return the id."""
    created = create_voucher(exclusive=exclusive)
    assert created["exclusive"] is exclusive
    return str(created["id"])


def test_usual_discounts_stand_together():
    """Redeemed and held."""
    reserve(voucher=voucher(exclusive=False), **HERE)
    redeem(voucher=voucher(exclusive=False), **HERE)
    assert redeem(voucher=voucher(exclusive=False), **HERE)["reason"] is None


@ONE_IS_EXCLUSIVE
def test_an_exclusive_voucher_is_not_redeemed_beside_another(first, second):
    """The refusal is final, and another subscription is free."""
    redeem(voucher=voucher(exclusive=first), **HERE)
    other = voucher(exclusive=second)
    body = redemption(voucher=other, **HERE)
    for task in ("redemptions.redeem", "redemptions.reserve"):
        request = {**body, "requestId": f"request-{task}"}
        answers = [task_named(task)(request=request) for _ in range(2)]
        assert answers[0] == answers[1]
        assert (answers[0]["reason"], answers[0]["retryable"]) == ("not_combinable", False)
    assert validate(voucher=other, **HERE)["reason"] == "not_combinable"
    assert redeem(voucher=other, **THERE)["outcome"] == "accepted"


@ONE_IS_EXCLUSIVE
@pytest.mark.parametrize("customer", ["cus_1", "cus_2"])
def test_a_hold_keeps_the_subscription_as_a_discount_does(first, second, customer):
    """By whomever, until it is released."""
    hold = reserve(voucher=voucher(exclusive=first), **{**HERE, "customer": customer})
    other = voucher(exclusive=second)
    for answer in (redeem(voucher=other, **HERE), reserve(voucher=other, **HERE), validate(voucher=other, **HERE)):
        assert answer["reason"] == "not_combinable"
    release(hold)
    assert reserve(voucher=other, **HERE)["outcome"] == "accepted"


def test_a_hold_that_has_lapsed_keeps_nothing():
    """Swept or not."""
    reserve(voucher=voucher(exclusive=True), **HERE)
    lapse()
    assert redeem(voucher=voucher(exclusive=False), **HERE)["outcome"] == "accepted"


def test_a_hold_does_not_stand_in_the_way_of_its_own_confirmation():
    """By the hold, and by its request."""
    assert confirm(reserve(voucher=voucher(exclusive=True), **HERE))["outcome"] == "accepted"
    body = redemption(voucher=voucher(exclusive=True), **THERE)
    task_named("redemptions.reserve")(request=body)
    assert task_named("redemptions.redeem")(request=body)["outcome"] == "accepted"


def test_a_hold_that_the_request_replaces_does_not_count():
    """It is the customer's own hold of the same voucher for the same subscription."""
    exclusive = voucher(exclusive=True)
    reserve(voucher=exclusive, **HERE)
    assert reserve(voucher=exclusive, **HERE)["outcome"] == "accepted"
    assert redeem(voucher=exclusive, **HERE)["outcome"] == "accepted"


def test_another_customers_hold_of_the_same_exclusive_voucher_counts():
    """A usual voucher would be fully reserved, which passes."""
    for exclusive, reason in ((True, "not_combinable"), (False, "fully_reserved")):
        held = voucher(exclusive=exclusive)
        subscription = f"sub_{reason}"
        reserve(voucher=held, customer="cus_2", subscription=subscription)
        assert redeem(voucher=held, customer="cus_1", subscription=subscription)["reason"] == reason


@ONE_IS_EXCLUSIVE
def test_the_decisions_of_a_batch_count_each_other(first, second):
    """Redemptions after redemptions, holds after holds, and vouchers of a preview."""
    vouchers = [voucher(exclusive=each) for each in (first, second)]
    bodies = [redemption(voucher=each, **HERE) for each in vouchers]
    assert [each["reason"] for each in preview(redeem=[{"voucher": each} for each in vouchers])["redeem"]] == [
        None,
        "not_combinable",
    ]
    answers = task_named("redemptions.redeem_many")(request={"requests": bodies})["items"]
    assert [each["reason"] for each in answers] == [None, "not_combinable"]


def test_a_subscription_is_free_again_when_its_discount_has_ended():
    """For an exclusive voucher, and after one."""
    usual, exclusive = voucher(exclusive=False), voucher(exclusive=True)
    end(redeem(voucher=usual, **HERE)["discount"])
    end(redeem(voucher=exclusive, **HERE)["discount"])
    assert redeem(voucher=usual, **HERE)["outcome"] == "accepted"


def test_the_reason_comes_after_that_the_voucher_runs_there():
    """A second redemption of the same voucher is refused for that."""
    exclusive = voucher(exclusive=True)
    redeem(voucher=exclusive, **HERE)
    assert redeem(voucher=exclusive, **HERE)["reason"] == "already_applied"


def test_the_term_is_fixed_by_the_first_redemption_and_by_a_hold():
    """Otherwise a discount that stands alone could get company."""
    redeemed, held = voucher(exclusive=True), voucher(exclusive=False)
    redeem(voucher=redeemed, **HERE)
    reserve(voucher=held, **THERE)
    update = task_named("vouchers.update")
    assert update(request={"project": "gigs", "voucher": redeemed, "exclusive": False})["reason"] == (
        "voucher_already_redeemed"
    )
    assert update(request={"project": "gigs", "voucher": held, "exclusive": True})["reason"] == "voucher_held"
