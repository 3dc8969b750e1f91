"""Confirm a hold: the redemption of its request, and the changes of a voucher that an open hold ignores."""

from datetime import date

import pytest
from sqlalchemy import text

from models.discounts.discount import DISCOUNTS
from tasks.redemptions.messages import Redeem, Reserve
from tests.redemptions.outcomes import ACCEPTED, LAST_PLACE, outcome, retire, update
from tests.support.administrator import as_administrator
from tests.support.holds import confirm, lapse, reserve, stored, voucher_held
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.tampering import tell_changes
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def test_a_hold_is_confirmed_as_the_redemption_of_its_request():
    """The redemption has the request id of the hold. A repeated confirmation gets the same answer."""
    voucher = create_voucher(code="SUMMER", **LAST_PLACE)
    body = redemption(code="SUMMER", customer="cus_1", subscription="sub_1", startsOn="2026-01-31", subtotal=5)
    hold = task_named("redemptions.reserve")(request=body)
    answer = confirm(hold)
    names = ("object", "requestId", "outcome", "voucher", "code", "customer", "subscription", "redemptionNumber")
    assert [answer[name] for name in names] == [
        "redemption",
        body["requestId"],
        "accepted",
        voucher["id"],
        "SUMMER",
        "cus_1",
        "sub_1",
        1,
    ]
    assert (
        confirm(hold)
        == task_named("redemptions.confirm")(request={"project": "gigs", "requestId": body["requestId"]})
        == answer
    )
    assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": body["requestId"]}) == answer
    assert task_named("redemptions.redeem")(request=body) == answer
    assert stored("starts_on", DISCOUNTS) == [date(2026, 1, 31)]
    assert stored() == ["confirmed"]
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["redemptions"] == 1
    assert voucher_held() == 0


def test_the_redemption_has_the_fingerprint_of_the_request_for_the_hold():
    """So redeeming the same body afterwards gets the answer to the confirmation."""
    voucher = create_voucher(code="SUMMER", priceDiscount={"amount": 5, "currency": "USD"})
    bodies = [
        redemption(voucher=voucher["id"], currency="usd"),
        redemption(
            code=" sUMMer ",
            products=["prod_a", 'ü"\\'],
            currency="USD",
            subtotal=0,
            startsOn="2026-03-01T23:00:00-05:00",
            requestedAt="2026-03-01T10:00:00.123456+01:00",
        ),
    ]
    for body in bodies:
        answer = confirm(task_named("redemptions.reserve")(request=body))
        assert outcome(answer) == ACCEPTED
        assert task_named("redemptions.redeem")(request=body) == answer
        assert Reserve.model_validate(body).fingerprint() == Redeem.model_validate(body).fingerprint()


def test_a_confirmed_hold_is_a_redemption_like_any_other():
    """Its discount takes something off an invoice."""
    voucher = create_voucher()
    confirm(reserve(voucher=voucher["id"], subscription="sub_1"))
    assert apply(subscription="sub_1")["discountTotal"] == 800


def test_a_voucher_retires_as_full_on_confirmed_redemptions_only():
    """Not when all places are held, but with the last confirmation."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    made = [reserve(voucher=voucher["id"]) for _ in range(2)]
    task_named("expiry.sweep")(request={})

    def shown() -> list:
        row = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
        return [row["redemptions"], row["retiredReason"]]

    assert shown() == [0, None]
    confirm(made[0])
    assert shown() == [1, None]
    confirm(made[1])
    assert shown() == [2, "maxRedemptionsReached"]


@pytest.mark.parametrize("end", ["retired", "expired", "moved", "code", "taken", "narrowed"])
def test_an_open_hold_is_honoured_after_its_voucher_or_code_ends(end):
    """Retired by hand, expired, window or minimum changed, code retired, or code given to another voucher."""
    voucher = create_voucher(code="SUMMER")
    hold = reserve(code="SUMMER", products=["prod_a"])
    match end:
        case "retired":
            retire(voucher)
        case "expired":
            with as_administrator() as session:
                session.execute(text("UPDATE vouchers SET expires_at = clock_timestamp()"))
        case "moved":
            update(voucher, restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
        case "code":
            with as_administrator() as session:
                session.execute(text("UPDATE codes SET retired_reason = 'manualAction', retired_at = now()"))
            tell_changes()
        case "taken":
            retire(voucher)
            create_voucher(code="SUMMER")
        case "narrowed":
            minimum = {"amount": 1, "currency": "USD"}
            update(voucher, restrictions={"minimumSubtotal": minimum, "firstPurchaseOnly": True})
    task_named("expiry.sweep")(request={})
    other = redeem(code="SUMMER")
    assert (outcome(other) == ACCEPTED) == (end == "taken")
    answer = confirm(hold)
    assert (outcome(answer), answer["voucher"]) == (ACCEPTED, voucher["id"])
    assert confirm(hold) == answer


def test_an_honoured_hold_is_discounted_as_it_was_promised():
    """The voucher was retired and its window moved. The products and the price are those of the hold."""
    voucher = create_voucher(restrictions={"products": ["prod_a"], "maximumRedemptions": 1})
    hold = reserve(voucher=voucher["id"], products=["prod_a"], subscription="sub_1")
    update(voucher, restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    retire(voucher)
    assert outcome(confirm(hold)) == ACCEPTED
    lines = [{"id": name, "amount": 8000, "product": name} for name in ("prod_a", "prod_b")]
    assert [each["discount"] for each in apply(subscription="sub_1", lines=lines)["lines"]] == [800, 0]


def test_a_hold_is_honoured_after_its_code_is_retired_by_hand():
    """The task is `codes.retire`."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    hold = reserve(code="ONE")
    task_named("codes.retire")(request={"project": "gigs", "code": code["id"]})
    answer = confirm(hold)
    assert (outcome(answer), answer["code"]) == (ACCEPTED, "ONE")


def test_an_open_hold_is_honoured_after_the_customer_limit_is_lowered():
    """New requests and lapsed holds are judged by the new limit."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], customer="cus_1")
    held = [reserve(voucher=voucher["id"], customer="cus_1") for _ in range(3)]
    update(voucher, restrictions={"maximumRedemptionsPerCustomer": 1})
    assert outcome(confirm(held[0])) == ACCEPTED
    assert redeem(voucher=voucher["id"], customer="cus_1")["reason"] == "customer_limit_reached"
    assert outcome(confirm(held[1])) == ACCEPTED
    lapse()
    assert confirm(held[2])["reason"] == "customer_limit_reached"


def test_a_final_refusal_gives_the_place_back():
    """Twenty discounts run on the subscription by now."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    hold = reserve(voucher=voucher["id"], subscription="sub_1")
    for _ in range(20):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
    answer = confirm(hold)
    assert answer["reason"] == "discount_limit_reached"
    assert confirm(hold) == answer
    assert (stored(), voucher_held()) == (["released"], 0)
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED
