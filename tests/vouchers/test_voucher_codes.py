"""The code of a voucher: when it is taken, and which voucher it names."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.support.administrator import as_administrator
from tests.support.instants import in_minutes
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named
from tests.vouchers.calls import LATER, PAST, by_hand, code_of, errors, expired, full, retrieve, update

pytestmark = pytest.mark.usefixtures("database")


def test_a_code_is_trimmed_shown_as_given_and_unique_without_regard_to_case():
    """Two available vouchers of a project never have the same code."""
    assert create_voucher(code="  SumMer ")["code"] == "SumMer"
    with pytest.raises(InvalidRequest) as refused:
        create_voucher(code="SUMMER")
    assert [error["field"] for error in refused.value.errors] == ["code"]
    assert create_voucher(code="SUMMER", project="other")["code"] == "SUMMER"
    with pytest.raises(InvalidRequest):
        create_voucher(code="summer", project="other")


def test_a_voucher_that_has_not_started_holds_its_code():
    """A voucher is available before the start of the window too, so the code is taken."""
    create_voucher(code="SOON", restrictions={"startsAt": in_minutes(60)})
    with pytest.raises(InvalidRequest):
        create_voucher(code="SOON")


@pytest.mark.parametrize("swept", [True, False])
def test_an_expired_voucher_no_longer_holds_its_code_swept_or_not(swept):
    """The expired voucher is retired as by a sweep."""
    old = create_voucher(code="SUMMER", restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    if swept:
        task_named("expiry.sweep")(request={})
    new = create_voucher(code="summer")
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": old["id"]})
    assert (after["status"], after["retiredReason"], after["retiredAt"]) == (
        "retired",
        "expired",
        "2026-01-01T00:00:00Z",
    )
    assert redeem(code="SUMMER")["voucher"] == new["id"]


def test_a_code_names_the_newest_voucher_that_carries_it():
    """Both vouchers with the code are retired."""
    old = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": old["id"]})
    new = create_voucher(code="SUMMER")
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": new["id"]})
    assert redeem(code="summer")["voucher"] == new["id"]


def test_a_code_belongs_to_one_available_voucher():
    """Case does not matter, but a voucher may change the capitals of a code."""
    create_voucher(code="WINTER")
    voucher = create_voucher(code="SUMMER")["id"]
    assert errors(voucher, code="winter", name="n") == ["code"]
    assert update(voucher, code="  Summer ")["code"] == "Summer"
    other = create_voucher(project="other", code="AUTUMN")
    assert (update(voucher, code="AUTUMN")["code"], other["code"]) == ("AUTUMN", "AUTUMN")


@pytest.mark.parametrize("swept", [True, False])
def test_a_code_of_an_expired_voucher_is_free(swept):
    """The expired voucher is retired as by a sweep."""
    old = create_voucher(code="SUMMER", restrictions={"expiresAt": PAST})["id"]
    if swept:
        task_named("expiry.sweep")(request={})
    voucher = create_voucher()["id"]
    assert update(voucher, code="summer")["code"] == "summer"
    assert (retrieve(old)["retiredReason"], retrieve(old)["retiredAt"], code_of(old)) == ("expired", PAST, "SUMMER")
    assert redeem(code="SUMMER")["voucher"] == voucher


@pytest.mark.parametrize(
    ("make", "restrictions"), [(expired, {"expiresAt": None}), (full, {"maximumRedemptions": None})]
)
def test_a_voucher_becomes_available_again_only_if_its_code_is_free(make, restrictions):
    """The voucher becomes available with another code, or without a code."""
    voucher, same = make(code="SUMMER"), make(code="AUTUMN")
    holder = create_voucher(code="summer")["id"]
    assert errors(voucher, restrictions=restrictions) == ["code"]
    assert update(voucher, restrictions=restrictions, code="WINTER")["status"] == "available"
    create_voucher(code="AUTUMN")
    assert update(same, restrictions=restrictions, code=None)["status"] == "available"
    assert redeem(code="SUMMER")["voucher"] == holder


def test_a_retired_voucher_may_carry_a_code_that_another_holds():
    """The code names the other voucher, which can be redeemed."""
    holder = create_voucher(code="SUMMER")["id"]
    assert update(by_hand(), code="SUMMER")["code"] == "SUMMER"
    assert redeem(code="SUMMER")["voucher"] == holder


@pytest.mark.parametrize("swept", [True, False])
def test_a_code_that_has_expired_is_named_before_one_that_is_only_carried(swept):
    """A retired voucher that got the text later only shows the text. A sweep in between makes no difference."""
    holder = create_voucher()
    add_codes(holder, {"code": "VIP", "expiresAt": LATER})
    assert update(by_hand(), code="VIP")["code"] == "VIP"
    a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    with as_administrator() as session:
        session.execute(text("UPDATE codes SET expires_at = :at WHERE expires_at IS NOT NULL"), {"at": a_minute_ago})
    if swept:
        task_named("expiry.sweep")(request={})
    late = redeem(code="VIP")
    assert (late["reason"], late["voucher"]) == ("code_expired", holder["id"])
    waited = (a_minute_ago - timedelta(minutes=1)).isoformat()
    assert redeem(code="VIP", requestedAt=waited)["outcome"] == "accepted"


def test_a_voucher_comes_back_whose_text_was_added_to_it_once_more():
    """Another code of the same voucher has the text, so the text already names this voucher."""
    voucher = expired(code="SUMMER")
    add_codes(retrieve(voucher), {"code": "VIP"})
    update(voucher, code="VIP")
    assert update(voucher, restrictions={"expiresAt": None})["status"] == "available"
    assert redeem(code="VIP")["voucher"] == voucher
