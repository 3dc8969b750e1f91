"""Refusals name the discount that the customer has on another subscription, so that the caller can move it."""

import pytest

from tests.support.changes import move
from tests.support.endings import end
from tests.support.holds import confirm, lapse, reserve, validate
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.reversals import ONCE, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

ONE_EACH = {"restrictions": {"maximumRedemptionsPerCustomer": 1}}
OLD = {"customer": "cus_1", "subscription": "sub_1", "startsOn": "2024-01-01", "currency": "USD"}
NEW = {"customer": "cus_1", "subscription": "sub_2", "currency": "USD"}
PAST = {"start": "2024-02-01", "end": "2024-03-01"}


def named_by(answer: dict) -> tuple[str | None, str | None]:
    """Return the reason and the discount of a refusal."""
    assert answer["outcome"] == "refused"
    return answer["reason"], answer["discount"]


@pytest.mark.parametrize("ask", [redeem, reserve, validate])
def test_a_refusal_by_the_customers_limit_names_the_discount_to_move(ask):
    """Redeeming, reserving and validating answer alike, and the move is possible."""
    voucher = create_voucher(**ONE_EACH)["id"]
    discount = redeem(voucher=voucher, **OLD)["discount"]
    assert named_by(ask(voucher=voucher, **NEW)) == ("customer_limit_reached", discount)
    assert move(discount)["subscription"] == "sub_2"


@pytest.mark.parametrize("ask", [redeem, reserve])
def test_a_repeated_request_names_the_same_discount(ask):
    """Also after the discount was moved to another subscription, or ended."""
    voucher = create_voucher(**ONE_EACH)["id"]
    discount = redeem(voucher=voucher, **OLD)["discount"]
    first = ask(voucher=voucher, requestId="r1", **NEW)
    move(discount, "sub_3")
    end(discount)
    assert ask(voucher=voucher, requestId="r1", **NEW) == first
    if ask is redeem:
        assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": "r1"}) == first
    assert named_by(ask(voucher=voucher, **NEW)) == ("customer_limit_reached", None)


def test_every_reason_without_a_further_place_names_it():
    """By the voucher and by the code: full, expired and retired."""
    limits = {"voucher": {"maximumRedemptions": 1}, "expired": {"expiresAt": "2099-01-01T00:00:00Z"}}
    full = create_voucher(restrictions=limits["voucher"])["id"]
    discount = redeem(voucher=full, **OLD)["discount"]
    assert named_by(redeem(voucher=full, **NEW)) == ("max_redemptions_reached", discount)
    lapsing = create_voucher(restrictions=limits["expired"])["id"]
    discount = redeem(voucher=lapsing, **OLD)["discount"]
    over = {"restrictions": {"expiresAt": "2020-01-01T00:00:00Z"}}
    task_named("vouchers.update")(request={"project": "gigs", "voucher": lapsing, **over})
    assert named_by(redeem(voucher=lapsing, **NEW)) == ("voucher_expired", discount)
    retired = create_voucher()["id"]
    discount = redeem(voucher=retired, **OLD)["discount"]
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": retired})
    assert named_by(redeem(voucher=retired, **NEW)) == ("voucher_retired", discount)


def test_every_reason_of_a_code_names_it_too():
    """Whatever code the discount was redeemed by."""
    codes: list[dict] = [
        {"code": "FULL", "maximumRedemptions": 1},
        {"code": "GONE"},
        {"code": "OVER", "expiresAt": "2020-01-01T00:00:00Z"},
    ]
    items = add_codes(create_voucher(), *codes)
    discount = redeem(code="FULL", **OLD)["discount"]
    task_named("codes.retire")(request={"project": "gigs", "code": items[1]["id"]})
    answers = [named_by(redeem(code=each["code"], **NEW)) for each in codes]
    reasons = ["code_max_redemptions_reached", "code_retired", "code_expired"]
    assert answers == [(reason, discount) for reason in reasons]


def test_other_reasons_name_no_discount():
    """A move would meet `already_applied` too, and the rest is up to the request."""
    voucher = create_voucher(restrictions={"minimumSubtotal": {"amount": 5000, "currency": "USD"}})["id"]
    redeem(voucher=voucher, **OLD, subtotal=5000)
    assert named_by(redeem(voucher=voucher, **NEW)) == ("minimum_subtotal_not_met", None)
    assert named_by(redeem(voucher=voucher, **OLD, subtotal=5000)) == ("already_applied", None)
    assert named_by(redeem(code="UNKNOWN", **NEW)) == ("voucher_not_found", None)


@pytest.mark.parametrize(
    ("fields", "restarted"),
    [
        (ONCE, False),
        ({"recurrence": {"type": "repeating", "durationInMonths": 1}}, False),
        ({"recurrence": {"type": "repeating", "durationInCycles": 1}}, False),
        ({"priceDiscount": {"amount": 8000, "currency": "USD"}, "carryOver": True}, False),
        (ONCE, True),
    ],
)
def test_only_a_discount_with_something_left_is_named(fields, restarted):
    """Swept or not. A voided invoice gives the cycle back."""
    voucher = create_voucher(**fields, **ONE_EACH)["id"]
    discount = redeem(voucher=voucher, **OLD)["discount"]
    apply(invoice="inv_1", period=PAST)
    if restarted:
        reverse("inv_1")
    expected = ("customer_limit_reached", discount if restarted else None)
    assert named_by(redeem(voucher=voucher, **NEW)) == expected
    task_named("expiry.sweep")(request={})
    assert named_by(redeem(voucher=voucher, **NEW)) == expected


def test_only_the_customers_own_discount_of_the_voucher_elsewhere_is_named():
    """Not that of another customer, of another voucher, or on the subscription itself."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})["id"]
    redeem(voucher=voucher, customer="cus_2", subscription="sub_3")
    redeem(voucher=create_voucher()["id"], **OLD)
    redeem(voucher=voucher, **NEW)
    assert named_by(redeem(voucher=voucher, **NEW)) == ("max_redemptions_reached", None)


def test_the_newest_of_several_is_named():
    """An older discount is named when the newest was ended."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})["id"]
    older, newer = (redeem(voucher=voucher, **{**OLD, "subscription": name})["discount"] for name in ("sub_1", "sub_3"))
    assert named_by(redeem(voucher=voucher, **NEW))[1] == newer
    end(newer)
    assert named_by(redeem(voucher=voucher, **NEW))[1] == older


def test_a_batch_names_the_discounts_that_it_granted_before():
    """As single messages would. A discount that is granted later in the batch is not named."""
    add_codes(create_voucher(code="SUMMER", **ONE_EACH), {"code": "OVER", "expiresAt": "2020-01-01T00:00:00Z"})
    requests = [
        redemption(code="OVER", **NEW),
        redemption(code="SUMMER", **OLD),
        redemption(code="SUMMER", **NEW, requestId="r3"),
        redemption(code="SUMMER", **OLD),
        redemption(code="SUMMER", **NEW, requestId="r3"),
    ]
    answers = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    early, granted, late, same, repeated = answers
    assert named_by(early) == ("code_expired", None)
    assert named_by(late) == ("customer_limit_reached", granted["discount"])
    assert named_by(same) == ("customer_limit_reached", None)
    assert repeated == late


def test_a_confirmation_that_is_refused_names_it_too():
    """The hold lapsed, and the customer redeemed on another subscription meanwhile."""
    voucher = create_voucher(**ONE_EACH)["id"]
    hold = reserve(voucher=voucher, **NEW)
    lapse()
    discount = redeem(voucher=voucher, **OLD)["discount"]
    assert named_by(confirm(hold)) == ("customer_limit_reached", discount)


@pytest.mark.parametrize("place", [NEW, {"customer": "cus_1"}])
def test_a_preview_names_it_too(place):
    """Also without a subscription, which is then a new one. An accepted voucher before it changes nothing."""
    voucher = create_voucher(**ONE_EACH)["id"]
    discount = redeem(voucher=voucher, **OLD)["discount"]
    plan = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8000}]}
    typed = [{"voucher": create_voucher()["id"]}, {"voucher": voucher}]
    body = {"project": "gigs", "periods": 1, "plan": plan, "redeem": typed}
    body |= {name: each for name, each in place.items() if name != "currency"}
    accepted, refused = task_named("billing.preview")(request=body)["redeem"]
    assert (accepted["outcome"], accepted["discount"]) == ("accepted", None)
    assert named_by(refused) == ("customer_limit_reached", discount)
