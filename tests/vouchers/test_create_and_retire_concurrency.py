"""Create and retire vouchers at the same moment, with real connections and commits."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.wire.errors import InvalidRequest
from tests.support.concurrency import at_once, until_somebody_waits
from tests.support.requests import (
    create_voucher,
    redemption,
)
from tests.support.tasks import task_named
from worker import database as db

pytestmark = pytest.mark.usefixtures("wide_pool")


def test_one_code_created_many_times_at_once_belongs_to_one_voucher():
    """The other callers are told that the code is taken, without a retry."""

    def attempt() -> str:
        try:
            return str(create_voucher(code="SUMMER")["id"])
        except InvalidRequest as refused:
            return str(refused.errors[0]["field"])

    answers = Counter(at_once([attempt] * 12))
    assert answers["code"] == 11


def test_one_creation_delivered_many_times_at_once_creates_one_voucher():
    """Every copy gets the same answer."""
    answers = at_once([lambda: create_voucher(code="SUMMER", requestId="r1")] * 12)
    assert all(answer == answers[0] for answer in answers)


def test_a_voucher_that_fills_up_while_it_is_retired_keeps_that_reason():
    """The first reason stays: `vouchers.retire` waits for the lock and then reads the row."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    with db.transaction() as holder:
        redeem_all(holder, [Redeem.model_validate(redemption(voucher=voucher["id"]))])
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(
                task_named("vouchers.retire"), request={"project": "gigs", "voucher": voucher["id"]}
            )
            until_somebody_waits(holder)
            holder.commit()
            assert waiting.result()["retiredReason"] == "maxRedemptionsReached"
