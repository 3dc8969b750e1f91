"""Redeem under the request id of a hold: with the hold's body this confirms the hold, otherwise it does not."""

import pytest
from sqlalchemy import text

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tests.redemptions.outcomes import retire
from tests.support.administrator import as_administrator
from tests.support.holds import confirm, lapse, release, stored, voucher_held
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tampering import tell_changes
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

WHO = {"customer": "cus_1", "subscription": "sub_1"}


def reserved(**fields) -> tuple[dict, dict]:
    """Hold a place. Return the redemption that was asked for, and the hold."""
    body = redemption(**WHO, **fields)
    return body, task_named("redemptions.reserve")(request={**body, "ttl": 600})


@pytest.mark.parametrize("named", ["voucher", "code"])
def test_redeeming_under_a_holds_id_honours_it(named):
    """The voucher was retired since. The redemption counts as of the instant of the hold."""
    voucher = create_voucher(code="SUMMER")
    body, hold = reserved(**({"voucher": voucher["id"]} if named == "voucher" else {"code": "summer"}))
    retire(voucher)
    answer = task_named("redemptions.redeem")(request=body)
    assert answer["outcome"] == "accepted"
    assert confirm(hold) == task_named("redemptions.redeem")(request=body) == answer
    assert release(hold) == {**hold, "status": "confirmed"}
    assert (stored(), voucher_held()) == (["confirmed"], 0)


def test_redeeming_under_a_holds_id_confirms_it():
    """With another body it is another redemption, and the hold can no longer be confirmed."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second = (redemption(voucher=voucher["id"]) for _ in range(2))
    made = [task_named("redemptions.reserve")(request=each) for each in (first, second)]
    answer = task_named("redemptions.redeem")(request=first)
    assert confirm(made[0]) == answer
    assert task_named("redemptions.redeem")(request={**second, "currency": "EUR"})["outcome"] == "accepted"
    assert confirm(made[1])["reason"] == "idempotency_conflict"
    assert stored() == ["confirmed", "released"]


def test_a_hold_that_is_redeemed_is_not_released_any_more():
    """Its place is taken, and its status is `confirmed`."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    body, hold = reserved(voucher=voucher["id"])
    task_named("redemptions.redeem")(request=body)
    assert release(hold)["status"] == "confirmed"
    assert redeem(voucher=voucher["id"])["reason"] == "max_redemptions_reached"


def test_a_lapsed_hold_that_is_redeemed_is_not_released_any_more():
    """The redemption is judged as of now, and confirms the hold all the same."""
    body, hold = reserved(voucher=create_voucher()["id"])
    lapse()
    assert task_named("redemptions.redeem")(request=body)["outcome"] == "accepted"
    assert release(hold)["status"] == release(hold)["status"] == "confirmed"
    assert (stored(), voucher_held()) == (["confirmed"], 0)


def test_a_redemption_that_is_finally_refused_gives_the_place_back():
    """As a refused confirmation does: twenty discounts run on the subscription by now."""
    body, hold = reserved(voucher=create_voucher()["id"])
    for _ in range(20):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
    answer = task_named("redemptions.redeem")(request=body)
    assert answer["reason"] == "discount_limit_reached"
    assert stored() == ["released"]
    assert confirm(hold) == answer


def test_another_request_of_the_customer_is_not_honoured():
    """Neither another id with the same body, nor another body under the same id."""
    voucher = create_voucher()
    body, hold = reserved(voucher=voucher["id"])
    retire(voucher)
    assert redeem(voucher=voucher["id"], **WHO)["reason"] == "voucher_retired"
    answer = task_named("redemptions.redeem")(request={**body, "currency": "EUR"})
    assert answer["reason"] == "voucher_retired"
    assert stored() == ["open"]
    assert confirm(hold)["reason"] == "idempotency_conflict"
    assert (stored(), voucher_held()) == (["released"], 0)


def test_a_hold_that_its_batch_has_replaced_is_not_honoured():
    """The first request of the batch takes the place of the hold that the second request names."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    body, _ = reserved(voucher=voucher["id"])
    batch = [Redeem.model_validate(each) for each in (redemption(voucher=voucher["id"], **WHO), body)]
    with transaction() as session:
        answers = redeem_all(session, batch)
    assert [each["reason"] for each in answers] == [None, "max_redemptions_reached"]
    assert stored() == ["replaced"]


def test_a_whole_batch_confirms_its_holds():
    """In the order sent, also if an id repeats. The voucher has expired since."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 3})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    bodies = [redemption(voucher=voucher["id"]), redemption(code="ONE"), redemption(voucher=voucher["id"])]
    for body in bodies:
        task_named("redemptions.reserve")(request=body)
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET expires_at = clock_timestamp(), updated_at = clock_timestamp()"))
        answers = redeem_all(session, [Redeem.model_validate(each) for each in [*bodies, bodies[1]]])
    tell_changes()
    assert [each["redemptionNumber"] for each in answers] == [1, 2, 3, 2]
    assert stored() == ["confirmed"] * 3
    assert voucher_held() == 0


def test_a_redemption_of_another_voucher_confirms_nothing():
    """The code went to another voucher. Confirming the hold then releases it, and the redemption stands."""
    first = create_voucher(code="SUMMER")
    body, hold = reserved(code="SUMMER")
    retire(first)
    second = create_voucher(code="SUMMER")
    answer = task_named("redemptions.redeem")(request=body)
    assert (answer["outcome"], answer["voucher"]) == ("accepted", second["id"])
    assert stored() == ["open"]
    assert confirm(hold) == answer
    assert (stored(), voucher_held()) == (["released"], 0)
    assert release(hold)["status"] == "released"


def test_a_redemption_by_another_code_of_the_voucher_confirms_nothing():
    """The held code lost its text to a new code of the same voucher."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    body, hold = reserved(code="ONE")
    with as_administrator() as session:
        session.execute(text("UPDATE codes SET retired_reason = 'manualAction', retired_at = now()"))
    tell_changes()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    answer = task_named("redemptions.redeem")(request=body)
    assert answer["outcome"] == "accepted"
    assert confirm(hold) == answer
    assert release(hold)["status"] == "released"
    assert (stored(), voucher_held()) == (["released"], 0)
