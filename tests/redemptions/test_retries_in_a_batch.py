"""`fully_reserved` is not final: the same request later in the batch is decided by what the batch has changed."""

import pytest

from tasks.redemptions.messages import Redeem, Reserve
from tasks.redemptions.redeem import redeem_all
from tasks.redemptions.reserve import reserve_all
from tests.redemptions.outcomes import ACCEPTED, FULLY_RESERVED, LAST_PLACE, outcome
from tests.support.holds import stored
from tests.support.requests import add_codes, create_voucher, redemption
from tests.support.tasks import task_named
from worker.database import run_in_transaction

pytestmark = pytest.mark.usefixtures("database")


def test_a_redemption_is_decided_again_when_the_hold_in_its_way_is_confirmed():
    """The batch confirms the hold of another customer, and then the place is taken for good."""
    held = redemption(voucher=create_voucher(**LAST_PLACE)["id"])
    task_named("redemptions.reserve")(request=held)
    wanted = redemption(voucher=held["voucher"])
    batch = [Redeem.model_validate(each) for each in (wanted, held, wanted)]
    answers = run_in_transaction(lambda session: redeem_all(session, batch))
    assert [outcome(each) for each in answers] == [FULLY_RESERVED, ACCEPTED, ("refused", "max_redemptions_reached")]


def test_a_hold_is_decided_again_when_the_hold_in_its_way_is_replaced():
    """The batch holds the place of the other customer without the code, which frees the only place of the code."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    other = {"customer": "cus_1", "subscription": "sub_1"}
    task_named("redemptions.reserve")(request=redemption(code="ONE", **other))
    wanted, instead = redemption(code="ONE"), redemption(voucher=voucher["id"], **other)
    batch = [Reserve.model_validate(each) for each in (wanted, instead, wanted)]
    answers = run_in_transaction(lambda session: reserve_all(session, batch))
    assert [outcome(each) for each in answers] == [FULLY_RESERVED, ACCEPTED, ACCEPTED]
    assert stored() == ["replaced", "open", "open"]


def test_the_holds_of_a_batch_take_the_places_of_their_code():
    """The code has one place, and the voucher any number."""
    add_codes(create_voucher(), {"code": "ONE", "maximumRedemptions": 1})
    batch = [Reserve.model_validate(redemption(code="ONE")) for _ in range(2)]
    answers = run_in_transaction(lambda session: reserve_all(session, batch))
    assert [outcome(each) for each in answers] == [ACCEPTED, FULLY_RESERVED]
