"""Validate a redemption: the answer is that of redeeming, and nothing is written."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from models.base import Base
from tasks.redemptions.messages import Validate
from tasks.redemptions.validate import validate_redemption
from tasks.wire.errors import InvalidRequest
from tests.redemptions.outcomes import retire
from tests.support.holds import lapse, reserve, stored, validate
from tests.support.requests import add_codes, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

SHOWN = ("outcome", "reason", "voucher", "code", "customer", "subscription")


def rows() -> dict[str, int]:
    """Count the rows of every table, except for the counts of unknown codes."""
    with transaction() as session:
        tables = [each for each in Base.metadata.sorted_tables if each.name != "failed_attempts"]
        return {table.name: session.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def test_the_answer_is_that_of_redeeming():
    """Each request is validated and then redeemed: accepted and refused, by id and by code."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 2, "products": ["prod_a"]})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    requests = [
        redemption(code="one", products=["prod_a"]),
        redemption(code="ONE", products=["prod_a"]),
        redemption(voucher=voucher["id"], products=["prod_b"]),
        redemption(code="UNKNOWN"),
        redemption(voucher=voucher["id"], products=["prod_a"], startsOn="2026-03-01"),
        redemption(code="summer", products=["prod_a"]),
    ]
    reasons = []
    for request in requests:
        before = rows()
        answer = task_named("redemptions.validate")(request=request)
        assert rows() == before
        redeemed = task_named("redemptions.redeem")(request=request)
        assert {name: answer[name] for name in SHOWN} == {name: redeemed[name] for name in SHOWN}
        assert answer["retryable"] is False
        reasons.append(answer["reason"])
    assert reasons == [
        None,
        "code_max_redemptions_reached",
        "product_not_eligible",
        "voucher_not_found",
        None,
        "max_redemptions_reached",
    ]


def test_the_answer_has_none_of_the_fields_of_a_redemption_alone():
    """No id and no number, and no discount that would be granted."""
    answer = validate(voucher=create_voucher(code="SUMMER")["id"], customer="cus_1", subscription="sub_1")
    assert answer == {
        "object": "validation",
        "project": "gigs",
        "requestId": None,
        "outcome": "accepted",
        "reason": None,
        "retryable": False,
        "voucher": answer["voucher"],
        "code": "SUMMER",
        "customer": "cus_1",
        "subscription": "sub_1",
        "discount": None,
        "decidedAt": answer["decidedAt"],
    }


def test_held_places_count():
    """They count against other customers, and no longer after the hold has lapsed."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    who = {"voucher": voucher["id"], "customer": "cus_1", "subscription": "sub_1"}
    reserve(**who)
    other = validate(voucher=voucher["id"])
    assert (other["reason"], other["retryable"]) == ("fully_reserved", True)
    assert validate(**who)["outcome"] == "accepted"
    lapse()
    before = rows()
    assert validate(voucher=voucher["id"])["outcome"] == "accepted"
    assert rows() == before


def test_with_a_request_id_the_answer_is_the_stored_decision():
    """Or a conflict, if the id was used with another body."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    body = redemption(voucher=voucher["id"])
    task_named("redemptions.redeem")(request=body)
    assert task_named("redemptions.validate")(request=body)["outcome"] == "accepted"
    assert (
        task_named("redemptions.validate")(request={**body, "customer": "cus_other"})["reason"]
        == "idempotency_conflict"
    )
    assert validate(voucher=voucher["id"])["reason"] == "max_redemptions_reached"


def test_the_answer_keeps_no_place():
    """Another request takes the place that was free."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    assert validate(voucher=voucher["id"])["outcome"] == "accepted"
    redeem(voucher=voucher["id"])
    assert validate(voucher=voucher["id"])["outcome"] == "refused"


def test_the_transaction_is_read_only():
    """All its statements see the same snapshot of the database."""
    body = redemption(voucher=create_voucher()["id"])
    with transaction() as session:
        validate_redemption(session, Validate.model_validate(body))
        shown = [session.scalar(text(f"SHOW transaction_{name}")) for name in ("read_only", "isolation")]
    assert shown == ["on", "repeatable read"]


def test_validating_waits_for_no_lock():
    """Another transaction has locked every voucher and subscription."""
    voucher = create_voucher(code="SUMMER")
    reserve(code="SUMMER", subscription="sub_1")
    with transaction() as holder, ThreadPoolExecutor(1) as threads:
        holder.execute(text("SELECT 1 FROM vouchers FOR UPDATE"))
        holder.execute(text("SELECT 1 FROM subscriptions FOR UPDATE"))
        asked = threads.submit(validate, voucher=voucher["id"], subscription="sub_1")
        assert asked.result(timeout=30)["reason"] == "fully_reserved"


def test_every_bad_field_is_named():
    """As for redeeming."""
    with pytest.raises(InvalidRequest) as error:
        task_named("redemptions.validate")(request={"project": "gigs", "code": "\x00", "subtotal": -1, "more": 1})
    fields = {each["field"] for each in error.value.errors}
    assert fields == {"code", "customer", "subscription", "subtotal", "?"}
    with pytest.raises(InvalidRequest):
        task_named("redemptions.reserve")(request={**redemption(code="SUMMER"), "more": 1})


def test_validating_under_a_holds_id_honours_the_hold():
    """The hold stays open."""
    voucher = create_voucher()
    body = redemption(voucher=voucher["id"], customer="cus_1", subscription="sub_1")
    task_named("redemptions.reserve")(request={**body, "ttl": 600})
    retire(voucher)
    assert task_named("redemptions.validate")(request=body)["outcome"] == "accepted"
    assert task_named("redemptions.validate")(request={**body, "requestId": "another"})["reason"] == "voucher_retired"
    assert stored() == ["open"]
