"""Retired codes: by hand, by a sweep, with their voucher, or because another code takes their text."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from tasks.sweeps.expiry import sweep_all
from tests.codes.calls import LONG_AGO, listed, retire, set_voucher, why
from tests.support.administrator import as_administrator
from tests.support.instants import in_minutes
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("retirement", "reason"),
    [
        ("retired_reason = 'manualAction', retired_at = now()", "voucherManuallyRetired"),
        ("retired_reason = 'expired', retired_at = now()", "voucherExpired"),
        ("retired_reason = 'maxRedemptionsReached', retired_at = now()", "voucherMaxRedemptionsReached"),
    ],
)
def test_a_vouchers_retirement_is_its_codes_until_it_comes_back(retirement, reason):
    """The rows of the codes do not change. A code that was retired before keeps the reason and stays retired."""
    voucher = create_voucher(code="SUMMER")
    by_hand, _ = add_codes(voucher, {"code": "HAND"}, {"code": "VIP"})
    retire(by_hand)
    set_voucher(voucher, retirement)
    assert [each["retiredReason"] for each in listed(voucher)] == [reason, "manualAction", reason]
    assert [each["status"] for each in listed(voucher, status=["retired"])] == ["retired"] * 3
    assert listed(voucher, status=["available"]) == []
    set_voucher(voucher, "retired_reason = NULL, retired_at = NULL")
    assert [each["retiredReason"] for each in listed(voucher)] == [None, "manualAction", None]
    assert redeem(code="VIP")["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ("expires_at = now() - interval '1 hour'", "voucherExpired"),
        ("retired_reason = 'expired', retired_at = now()", "voucherExpired"),
        ("retired_reason = 'manualAction', retired_at = now()", "voucherManuallyRetired"),
        ("retired_reason = 'maxRedemptionsReached', retired_at = now()", "voucherMaxRedemptionsReached"),
    ],
)
def test_whoever_wants_a_text_takes_it_from_a_voucher_that_is_over(over, reason):
    """When the old voucher becomes available, the code without the text stays retired, and the other code does not."""
    old = create_voucher(name="old")
    lost, kept = add_codes(old, {"code": "VIP"}, {"code": "KEPT"})
    set_voucher(old, over)
    new = create_voucher(name="new")
    add_codes(new, {"code": "vip"})
    assert redeem(code="VIP")["voucher"] == new["id"]
    set_voucher(old, "retired_reason = NULL, retired_at = NULL, expires_at = NULL")
    assert [why(lost), why(kept)] == [("retired", reason), ("available", None)]
    assert redeem(code="VIP")["voucher"] == new["id"]
    assert redeem(code="KEPT")["voucher"] == old["id"]


@pytest.mark.parametrize("swept", [True, False])
def test_whoever_wants_a_text_takes_it_from_a_code_that_has_expired(swept):
    """The same voucher can have the text again, and so can a new voucher. A sweep in between makes no difference."""
    voucher = create_voucher()
    (old,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    if swept:
        task_named("expiry.sweep")(request={})
    (again,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    assert why(old) == ("retired", "expired")
    assert create_voucher(code="vip")["code"] == "vip"
    assert listed(voucher)[0] == {**again, "status": "retired", "retiredReason": "expired", "retiredAt": LONG_AGO}
    assert (
        task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["status"] == "available"
    )


@pytest.mark.parametrize("swept", [False, True])
def test_a_text_names_the_last_code_that_held_it_swept_or_not(swept):
    """The text never names a retired voucher that only shows it."""
    holder, other = create_voucher(), create_voucher()
    add_codes(holder, {"code": "LAUNCH", "expiresAt": in_minutes(60)})
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": other["id"]})
    task_named("vouchers.update")(request={"project": "gigs", "voucher": other["id"], "code": "LAUNCH"})
    requested_at = datetime.now(UTC).isoformat()
    with as_administrator() as session:
        session.execute(text("UPDATE codes SET expires_at = clock_timestamp() WHERE retired_reason IS NULL"))
    if swept:
        assert task_named("expiry.sweep")(request={})["codesExpired"] == 1
    answer = redeem(code="launch", requestedAt=requested_at)
    assert (answer["reason"], answer["voucher"]) == (None, holder["id"])
    assert redeem(code="launch")["reason"] == "code_expired"


def test_retiring_a_code_ends_it_alone_and_twice_changes_nothing():
    """The first reason and instant stay. The voucher and the granted discount are not affected."""
    voucher = create_voucher(code="SUMMER")
    (code,) = add_codes(voucher, {"code": "VIP"})
    redeem(code="VIP")
    retired = retire(code)
    assert (retired["status"], retired["retiredReason"], retired["redemptions"]) == ("retired", "manualAction", 1)
    assert retire(code) == retired == listed(voucher)[0]
    assert redeem(code="VIP")["reason"] == "code_retired"
    assert redeem(code="SUMMER")["outcome"] == "accepted"


def test_retiring_what_has_expired_keeps_that_reason_and_a_vouchers_own_code_can_be_retired():
    """The answer is the same as if the sweep had come first. The voucher can still be redeemed by id."""
    voucher = create_voucher(code="SUMMER")
    (expired,) = add_codes(voucher, {"code": "VIP", "expiresAt": LONG_AGO})
    assert (retire(expired)["retiredReason"], retire(expired)["retiredAt"]) == ("expired", LONG_AGO)
    own = listed(voucher)[1]
    assert retire(own)["retiredReason"] == "manualAction"
    assert [redeem(code="SUMMER")["reason"], redeem(voucher=voucher["id"])["reason"]] == ["code_retired", None]


def test_a_code_retired_by_hand_stays_so_when_its_voucher_comes_back():
    """The voucher had already expired when the code was retired by hand."""
    voucher = create_voucher(code="SUMMER", restrictions={"expiresAt": LONG_AGO})
    task_named("expiry.sweep")(request={})
    (own,) = listed(voucher)
    assert own["retiredReason"] == "voucherExpired"
    assert retire(own)["retiredReason"] == "manualAction"
    body = {"project": voucher["project"], "voucher": voucher["id"], "restrictions": {"expiresAt": None}}
    assert task_named("vouchers.update")(request=body)["status"] == "available"
    assert redeem(code="SUMMER")["reason"] == "code_retired"


def test_a_code_that_lost_its_text_and_was_then_retired_by_hand_does_not_come_back():
    """The text stays with the newer code when the voucher becomes available."""
    voucher = create_voucher(code="SUMMER", restrictions={"expiresAt": LONG_AGO})
    newer = create_voucher(code="SUMMER")
    (own,) = listed(voucher)
    assert own["retiredReason"] == "voucherExpired"
    assert (retire(own)["retiredReason"], retire(own)["retiredReason"]) == ("manualAction", "manualAction")
    body = {"project": "gigs", "voucher": voucher["id"], "restrictions": {"expiresAt": None}}
    assert task_named("vouchers.update")(request=body)["status"] == "available"
    assert why(own) == ("retired", "manualAction")
    assert redeem(code="SUMMER")["voucher"] == newer["id"]


def test_a_sweep_retires_codes_that_have_expired_and_leaves_the_others():
    """The codes are retired at their own end, in bounded batches, and only once."""
    voucher = create_voucher()
    due = [{"code": f"DUE-{index}", "expiresAt": LONG_AGO} for index in range(5)]
    added = add_codes(voucher, {"code": "OPEN"}, {"code": "LATER", "expiresAt": in_minutes(5)}, *due)
    assert sweep_all(batch_size=2)["codesExpired"] == 5
    assert task_named("expiry.sweep")(request={})["codesExpired"] == 0
    statuses = [(each["status"], each["retiredAt"]) for each in listed(voucher)]
    assert statuses == [("retired", LONG_AGO)] * 5 + [("available", None)] * 2
    assert [each["retiredReason"] for each in listed(voucher, status=["retired"])] == ["expired"] * 5
    assert added[0]["status"] == "available"


def test_a_sweep_retires_what_is_full_and_leaves_a_code_that_somebody_holds():
    """An import can leave such a code. A redemption that fills a code retires the code."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "FULL", "maximumRedemptions": 1})
    redeem(code="FULL")
    with as_administrator() as session:
        session.execute(text("UPDATE codes SET retired_reason = NULL, retired_at = NULL"))
    with transaction() as holder:
        holder.execute(text("SELECT 1 FROM codes FOR NO KEY UPDATE"))
        assert task_named("expiry.sweep")(request={})["codesMaxRedemptionsReached"] == 0
    assert task_named("expiry.sweep")(request={})["codesMaxRedemptionsReached"] == 1
    assert listed(voucher)[0]["retiredReason"] == "maxRedemptionsReached"
