"""Updates that run at the same time as other updates, creations, redemptions and sweeps."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from tasks.redemptions.messages import Redeem
from tasks.redemptions.redeem import redeem_all
from tasks.vouchers.create import create_voucher as create_voucher_in
from tasks.vouchers.messages import CreateVoucher, UpdateVoucher
from tasks.vouchers.update import update_voucher
from tasks.wire.errors import InvalidRequest
from tests.support.concurrency import at_once, send, until_somebody_waits
from tests.support.requests import create_voucher, redeem, redemption, voucher_body
from tests.support.tasks import task_named
from tests.vouchers.calls import LATER, PAST, expired, full, retrieve, update
from worker import database as db

pytestmark = pytest.mark.usefixtures("wide_pool")


def outcome(voucher: str, **fields: Any) -> str:
    """Update a voucher, and return its new status or the first bad field."""
    try:
        return str(update(voucher, **fields)["status"])
    except InvalidRequest as error:
        return error.errors[0]["field"]


def creation(**fields: Any) -> str:
    """Create a voucher, and return its status or the first bad field."""
    try:
        return str(create_voucher(**fields)["status"])
    except InvalidRequest as error:
        return error.errors[0]["field"]


def test_one_update_delivered_many_times_at_once_has_one_effect_and_one_answer():
    """Every delivery gets the same answer."""
    voucher = create_voucher(code="SUMMER")["id"]
    fields = {"code": "WINTER", "requestId": "r1", "restrictions": {"maximumRedemptions": 5}}
    answers = at_once([partial(update, voucher, **fields)] * 12)
    assert all(answer == answers[0] for answer in answers)


def test_one_request_id_for_many_vouchers_at_once_changes_one():
    """The updates share no lock. A unique constraint lets a single update pass, and the others are conflicts."""
    made = [create_voucher()["id"] for _ in range(12)]
    answers = at_once([partial(update, each, name="n", requestId="r1") for each in made])
    assert Counter(answer.get("reason") for answer in answers) == {None: 1, "idempotency_conflict": 11}
    assert Counter(retrieve(each)["name"] for each in made)["n"] == 1


def test_two_updates_at_once_are_one_after_the_other():
    """No update undoes the change of another update."""
    voucher = create_voucher()["id"]
    changes: list[dict[str, Any]] = [{"name": "n"}, {"code": "WINTER"}, {"metadata": {"a": 1}}]
    limits: list[dict[str, Any]] = [
        {"maximumRedemptions": 5},
        {"expiresAt": "2099-01-01T00:00:00Z"},
        {"products": ["a"]},
    ]
    at_once([partial(update, voucher, **each) for each in [*changes, *({"restrictions": each} for each in limits)]])
    after = retrieve(voucher)
    assert (after["name"], after["code"], after["metadata"]) == ("n", "WINTER", {"a": 1})
    assert {name: value for name, value in after["restrictions"].items() if value} == {
        name: value for each in limits for name, value in each.items()
    }


@pytest.mark.parametrize("attempt", range(3))
def test_one_code_wanted_by_many_updates_and_creations_at_once_belongs_to_one(attempt):
    """The code belonged to an expired voucher. All other requests fail, because the code is taken."""
    create_voucher(code="SUMMER", restrictions={"expiresAt": PAST})
    made = [create_voucher(name=f"{attempt}")["id"] for _ in range(6)]
    answers = at_once([partial(creation, code="summer")] * 6 + [partial(outcome, each, code="SUMMER") for each in made])
    assert Counter(answers) == {"available": 1, "code": 11}


@pytest.mark.parametrize(("make", "cause"), [(expired, "expiresAt"), (full, "maximumRedemptions")])
def test_becoming_available_again_while_somebody_creates_its_code(make, cause):
    """The creation commits first and gets the code, so the update fails."""
    voucher = make(code="SUMMER")
    with db.transaction() as creator, ThreadPoolExecutor(1) as threads:
        create_voucher_in(creator, CreateVoucher.model_validate(voucher_body(code="SUMMER")))
        waiting = threads.submit(outcome, voucher, restrictions={cause: None})
        until_somebody_waits(creator)
        creator.commit()
        assert waiting.result() == "code"
    assert retrieve(voucher)["status"] == "retired"


@pytest.mark.parametrize(("make", "cause"), [(expired, "expiresAt"), (full, "maximumRedemptions")])
def test_creating_a_code_while_its_old_voucher_becomes_available_again(make, cause):
    """The update commits first and gets the code, so the creation fails."""
    voucher = make(code="SUMMER")
    body = {"project": "gigs", "voucher": voucher, "restrictions": {cause: None}}
    with db.transaction() as updater, ThreadPoolExecutor(1) as threads:
        assert update_voucher(updater, UpdateVoucher.model_validate(body))["status"] == "available"
        waiting = threads.submit(creation, code="SUMMER")
        until_somebody_waits(updater)
        updater.commit()
        assert waiting.result() == "code"


def test_many_becoming_available_again_with_one_code_at_once():
    """A single update gets the code, and the others fail without a retry of the task."""
    made = [expired(code="SUMMER") for _ in range(8)]
    answers = at_once([partial(outcome, each, restrictions={"expiresAt": None}) for each in made])
    assert Counter(answers) == {"available": 1, "code": 7}


def test_codes_that_are_exchanged_at_once_lock_in_order():
    """Each update wants the code of the other expired voucher. Without a deadlock, at least one succeeds."""
    for _ in range(5):
        window = {"expiresAt": PAST}
        one, other = (create_voucher(code=code, restrictions=window)["id"] for code in ("CODE-1", "CODE-2"))
        answers = at_once(
            [
                partial(outcome, one, code="CODE-2", restrictions={"expiresAt": None}),
                partial(outcome, other, code="CODE-1", restrictions={"expiresAt": None}),
            ]
        )
        assert set(answers) <= {"available", "code"}
        assert "available" in answers
        for each in (one, other):
            update(each, code=None)


def test_a_code_that_somebody_takes_during_a_wait_is_looked_up_again():
    """The voucher of the code cannot be locked in order any more, so the transaction is run again."""
    voucher = create_voucher()["id"]
    request = UpdateVoucher.model_validate({"project": "gigs", "voucher": voucher, "code": "SUMMER"})

    def attempt() -> dict[str, Any]:
        with db.transaction() as session:
            return update_voucher(session, request)

    with db.transaction() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        waiting = threads.submit(attempt)
        until_somebody_waits(holder)
        body = voucher_body(code="SUMMER", restrictions={"expiresAt": PAST})
        create_voucher_in(holder, CreateVoucher.model_validate(body))
        holder.commit()
        with pytest.raises(db.ChangedMeanwhileError):
            waiting.result()
    assert attempt()["code"] == "SUMMER"


def test_an_update_waits_for_a_redemption_and_sees_it():
    """Money terms are refused after the redemption, and a limit below the redemptions is invalid."""
    voucher = create_voucher()["id"]
    with db.transaction() as redeemer, ThreadPoolExecutor(2) as threads:
        redeem_all(redeemer, [Redeem.model_validate(redemption(voucher=voucher)) for _ in range(2)])
        money = threads.submit(update, voucher, priceDiscountPercentage=50)
        limit = threads.submit(outcome, voucher, restrictions={"maximumRedemptions": 1})
        until_somebody_waits(redeemer)
        redeemer.commit()
        assert money.result()["reason"] == "voucher_already_redeemed"
        assert limit.result() == "restrictions.maximumRedemptions"


def test_a_redemption_waits_for_an_update_and_sees_it():
    """The code is looked up again after the wait."""
    voucher = create_voucher(code="SUMMER")["id"]
    with db.transaction() as holder, ThreadPoolExecutor(2) as threads:
        holder.execute(text("SELECT 1 FROM vouchers FOR NO KEY UPDATE"))
        by_id, by_code = threads.submit(redeem, voucher=voucher), threads.submit(redeem, code="SUMMER")
        until_somebody_waits(holder)
        change = {"project": "gigs", "voucher": voucher, "code": "WINTER", "restrictions": {"startsAt": LATER}}
        update_voucher(holder, UpdateVoucher.model_validate(change))
        holder.commit()
        assert by_id.result()["reason"] == "voucher_not_started"
        assert by_code.result()["reason"] == "code_retired"


def test_redeeming_while_the_limit_is_lowered_and_raised():
    """The audit after the test checks that the limit is kept and that the numbers have no gap."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 8})["id"]
    limits = [partial(outcome, voucher, restrictions={"maximumRedemptions": limit}) for limit in (4, 6, 12, 16)]
    sweeps = send("expiry.sweep", [{}] * 2)
    answers = at_once([*send("redemptions.redeem", [redemption(voucher=voucher) for _ in range(20)]), *limits, *sweeps])
    assert {answer["reason"] for answer in answers[:20]} <= {None, "max_redemptions_reached"}
    assert set(answers[20:24]) <= {"available", "retired", "restrictions.maximumRedemptions"}
    task_named("expiry.sweep")(request={})


def test_sweeping_while_the_end_is_moved():
    """The sweep skips locked vouchers, and there is nothing to retire afterwards."""
    made = [create_voucher(restrictions={"expiresAt": PAST})["id"] for _ in range(8)]
    updates = [partial(outcome, each, restrictions={"expiresAt": None}) for each in made]
    answers = at_once([*updates, *send("expiry.sweep", [{}] * 4)])
    assert answers[:8] == ["available"] * 8
    assert {retrieve(each)["status"] for each in made} == {"available"}
