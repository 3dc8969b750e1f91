"""Holds that have lapsed: they block no request, can be confirmed while there is room, and are closed by a sweep."""

import pytest
from sqlalchemy import text

from models.vouchers.voucher import VOUCHERS
from tasks.sweeps.expiry import sweep_all
from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome, retire, update
from tests.support.holds import confirm, lapse, release, reserve, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_hold_blocks_no_request(swept):
    """Neither by the limit of the voucher or the code, nor on the subscription, swept or not."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    reserve(code="ONE", subscription="sub_1")
    lapse()
    if swept:
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1
    other = reserve(code="ONE", subscription="sub_1")
    assert outcome(other) == ACCEPTED
    release(other)
    assert outcome(redeem(code="ONE", subscription="sub_1")) == ACCEPTED
    assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 0
    assert voucher_held() == 0


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_hold_of_a_code_blocks_no_request_while_the_voucher_is_held(swept):
    """The open holds of the code are then counted by themselves."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    reserve(code="ONE")
    lapse()
    reserve(voucher=voucher["id"])
    if swept:
        task_named("expiry.sweep")(request={})
    assert outcome(reserve(code="ONE")) == ACCEPTED
    assert outcome(redeem(code="ONE")) == FULLY_RESERVED


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_hold_is_confirmed_while_there_is_room(swept):
    """Without room, the true reason refuses the confirmation. `fully_reserved` can be retried."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second = (reserve(voucher=voucher["id"]) for _ in range(2))
    lapse()
    if swept:
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 2
    assert outcome(confirm(first)) == ACCEPTED
    third = reserve(voucher=voucher["id"])
    assert confirm(second)["retryable"] is True
    release(third)
    assert outcome(confirm(second)) == ACCEPTED
    assert stored() == ["confirmed", "confirmed", "released"]
    assert voucher_held() == 0


def test_a_lapsed_hold_is_refused_with_the_true_reason():
    """The refusal is final, because it is the decision on the redemption under that id."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"])
    lapse()
    redeem(voucher=voucher["id"])
    answer = confirm(hold)
    assert outcome(answer) == ("refused", "max_redemptions_reached")
    update(voucher, restrictions={"maximumRedemptions": 5})
    assert confirm(hold) == answer


def test_a_lapsed_hold_is_honoured_no_longer():
    """The voucher was retired in the meantime."""
    voucher = create_voucher()
    hold = reserve(voucher=voucher["id"])
    retire(voucher)
    lapse()
    assert confirm(hold)["reason"] == "voucher_retired"


def test_a_lapsed_hold_can_be_released():
    """No later confirmation redeems the hold."""
    hold = reserve(voucher=create_voucher()["id"])
    lapse()
    assert release(hold)["status"] == "released"
    assert confirm(hold)["reason"] == "hold_released"
    assert voucher_held() == 0


def test_a_swept_hold_is_closed_as_of_its_end():
    """However late the sweep runs."""
    reserve(voucher=create_voucher()["id"])
    lapse()
    task_named("expiry.sweep")(request={})
    assert stored("closed_at") == stored("expires_at")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_sweep_closes_due_holds_in_bounded_batches(batch_size):
    """Of several vouchers. Holds that are not yet due stay open, and a second run does nothing."""
    due = [create_voucher()["id"] for _ in range(2)]
    for index in range(5):
        reserve(voucher=due[index % 2])
    lapse()
    reserve(voucher=due[0])
    assert sweep_all(batch_size=batch_size)["holdsLapsed"] == 5
    assert sweep_all(batch_size=batch_size)["holdsLapsed"] == 0
    assert stored() == ["lapsed"] * 5 + ["open"]
    assert stored("held", VOUCHERS) == [1, 0]


def test_a_sweep_skips_holds_of_locked_vouchers():
    """A transaction that confirms a hold locks the voucher. The sweep does not wait for it."""
    held, free = (create_voucher()["id"] for _ in range(2))
    for voucher in (held, free):
        reserve(voucher=voucher)
    lapse()
    with transaction() as session:
        session.execute(text("SELECT 1 FROM vouchers ORDER BY id LIMIT 1 FOR NO KEY UPDATE"))
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1
    assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1
