"""What was asked for: each request with its reason, and a sentence that names the figures of that time."""

import re
from typing import Any

import pytest

from domain.eligibility import Refusal
from models.redemptions.listing import REASONS
from tests.explanations.calls import explained
from tests.redemptions.outcomes import ago, retire, update
from tests.support.endings import end
from tests.support.holds import confirm, lapse, release, reserve
from tests.support.requests import add_codes, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

CLOCKED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
FAR = "2099-04-14T19:38:34Z"
HERE = {"customer": "cus_1", "subscription": "sub_1"}


def refuse(reason: str) -> dict[str, Any]:
    """Let a request of cus_1 for sub_1 be refused for a reason, and return the answer."""
    limits: dict[str, Any] = {
        "voucher_not_started": {"startsAt": FAR},
        "voucher_expired": {"expiresAt": ago(60)},
        "max_redemptions_reached": {"maximumRedemptions": 1},
        "customer_limit_reached": {"maximumRedemptionsPerCustomer": 1},
        "not_first_purchase": {"firstPurchaseOnly": True},
        "product_not_eligible": {"products": ["prod_a"]},
        "minimum_subtotal_not_met": {"minimumSubtotal": {"amount": 5000, "currency": "USD"}},
    }
    terms: dict[str, Any] = {
        "currency_mismatch": {"priceDiscount": {"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}}},
        "stamp_card_incomplete": {"stampCard": {"stamps": 10, "expireDays": None}},
    }
    codes: dict[str, Any] = {
        "code_expired": {"expiresAt": ago(60)},
        "code_max_redemptions_reached": {"maximumRedemptions": 2},
        "code_not_for_customer": {"customer": "cus_2"},
        "code_customer_limit_reached": {"maximumRedemptionsPerCustomer": 1},
    }
    voucher = create_voucher(restrictions=limits.get(reason, {}), **terms.get(reason, {}))
    (code,) = add_codes(voucher, {"code": "EXTRA", **codes.get(reason, {})})
    match reason:
        case "voucher_not_found":
            return redeem(code="TYPO", **HERE)
        case "voucher_retired":
            retire(voucher)
        case "code_retired":
            task_named("codes.retire")(request={"project": "gigs", "code": code["id"]})
        case "max_redemptions_reached":
            redeem(voucher=voucher["id"])
        case "code_max_redemptions_reached":
            redeem(code="EXTRA")
            redeem(code="EXTRA")
        case "code_customer_limit_reached":
            redeem(code="EXTRA", customer="cus_1")
        case "already_applied" | "customer_limit_reached":
            redeem(voucher=voucher["id"], **HERE)
        case "not_combinable" | "discount_limit_reached":
            for each in [{"exclusive": True}] if reason == "not_combinable" else [{}] * 20:
                redeem(voucher=create_voucher(**each)["id"], subscription="sub_1")
    named = {"code": "EXTRA"} if reason.startswith("code_") else {"voucher": voucher["id"]}
    return redeem(**named, **HERE)


# The sentence of each reason that is stored. The clock's instants are masked.
REFUSALS = {
    "voucher_not_found": "Refused: there was no such voucher or code.",
    "voucher_retired": "Refused: the voucher was retired by hand on <instant>.",
    "code_retired": "Refused: the code was retired by hand on <instant>.",
    "voucher_not_started": "Refused: the voucher can be redeemed only from <instant> on.",
    "voucher_expired": "Refused: the voucher expired on <instant>.",
    "code_expired": "Refused: the code expired on <instant>.",
    "max_redemptions_reached": "Refused: the voucher can be redeemed once in all, and no redemption was left.",
    "code_max_redemptions_reached": "Refused: the code can be redeemed 2 times in all, and no redemption was left.",
    "code_not_for_customer": "Refused: the code belongs to another customer.",
    "customer_limit_reached": "Refused: a customer can redeem the voucher once, which this one had done before.",
    "code_customer_limit_reached": "Refused: a customer can use the code once, which this one had done before. "
    "At that time, the customer had a discount of this voucher on another subscription, which could be moved.",
    "already_applied": "Refused: a discount of this voucher was running on the subscription already.",
    "stamp_card_incomplete": "Refused: the voucher is granted only by a complete card of 10 stamps.",
    "not_first_purchase": "Refused: the voucher is for a first purchase, and the request did not say that it was one.",
    "product_not_eligible": "Refused: the request had none of the products that the voucher is for.",
    "currency_mismatch": "Refused: the voucher is worth USD 9.99 or EUR 8.99, and the request had no currency or "
    "another one.",
    "minimum_subtotal_not_met": "Refused: the subtotal was not USD 50.00 or more, which the voucher needs.",
    "not_combinable": "Refused: the voucher or one of the discounts on the subscription, running or held, is never "
    "with others.",
    "discount_limit_reached": "Refused: 20 discounts were running on the subscription, which is the maximum.",
}


def test_every_stored_reason_is_asked_about():
    """A new reason needs a row."""
    assert set(REFUSALS) == {each.value for each in REASONS}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_request_is_explained(reason):
    """By customer and by subscription, with the reason of the contract and its figures."""
    refused = refuse(reason)
    assert refused["reason"] == reason
    for owner in ({"customer": "cus_1"}, {"subscription": "sub_1"}):
        *_, last = explained(**owner)["requests"]
        assert {**last, **refused} == last
        assert CLOCKED.sub("<instant>", last["text"]) == REFUSALS[reason]


def test_a_sentence_never_names_a_figure_of_a_later_update():
    """The voucher has another maximum by now, so the sentence names none."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    redeem(voucher=voucher["id"])
    redeem(voucher=voucher["id"], customer="cus_1")
    update(voucher, restrictions={"maximumRedemptions": 5})
    (request,) = explained(customer="cus_1")["requests"]
    assert request["text"] == "Refused: all redemptions of the voucher were taken."


def test_a_sentence_never_names_a_code_or_a_customer():
    """They stand in the fields. The code of somebody else is in no answer about this customer."""
    voucher = create_voucher(code="PUBLIC")
    add_codes(voucher, {"code": "FOR-KIM", "customer": "cus_kim"})
    redeem(code="FOR-KIM", **HERE)
    redeem(code="PUBLIC", **HERE)
    answer = explained(customer="cus_1")
    texts = " ".join(each["text"] for name in ("requests", "discounts") for each in answer[name])
    assert not re.search("KIM|kim|PUBLIC|cus_1|sub_1", texts)


def test_requests_are_in_the_order_of_time():
    """Accepted and refused ones together, the oldest first."""
    voucher = create_voucher()
    asked = [redeem(code="TYPO", **HERE), redeem(voucher=voucher["id"], **HERE), redeem(code="TYPO", **HERE)]
    answer = explained(customer="cus_1")
    assert [each["id"] for each in answer["requests"]] == [each["id"] for each in asked]
    assert answer["requests"][1]["text"] == "Accepted: this is redemption 1 of the voucher, and it granted a discount."
    assert answer["finding"] == "granted"


def test_a_refusal_says_that_a_discount_could_be_moved():
    """It was on another subscription of the customer, and may have been ended since."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    granted = redeem(voucher=voucher["id"], **HERE)
    redeem(voucher=voucher["id"], customer="cus_1", subscription="sub_2")
    reserve(voucher=voucher["id"], customer="cus_1", subscription="sub_2")
    end(granted["discount"])
    answer = explained(subscription="sub_2")
    for refused in (*answer["requests"], *answer["holds"]):
        assert (refused["discount"], refused["voucherName"]) == (granted["discount"], "Ten percent")
        assert refused["text"].endswith(
            " At that time, the customer had a discount of this voucher on another subscription, which could be moved."
        )
    assert [len(answer[name]) for name in ("requests", "holds")] == [1, 1]


def test_a_customer_who_was_only_refused_is_told_the_last_reason():
    """The finding is the word, and the text has the sentence of the last refusal."""
    redeem(code="TYPO", **HERE)
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    redeem(voucher=voucher["id"], **HERE)
    answer = explained(customer="cus_1")
    assert answer["finding"] == "only_refused"
    assert CLOCKED.sub("<instant>", answer["text"]) == (
        "No discount was granted: every request was refused, the last one on <instant>. "
        "Refused: the request had none of the products that the voucher is for."
    )
    assert answer["discounts"] == []


@pytest.mark.parametrize("owner", ["customer", "subscription"])
def test_nothing_is_known_about_somebody_who_asked_for_nothing(owner):
    """No table lists customers or subscriptions, so an unknown one is no error."""
    answer = explained(**{owner: "nobody"})
    assert (answer["finding"], answer["text"]) == (
        "never_redeemed",
        "No discount was granted, because no request for one was decided. One that was given up is a dead letter.",
    )
    assert answer["requests"] == answer["holds"] == answer["discounts"] == answer["elsewhere"] == []
    assert answer["billed"] is None


def test_a_hold_is_explained_by_its_status():
    """A hold that was not confirmed granted nothing. A confirmed one is shown as its redemption."""
    voucher = create_voucher()["id"]
    lapsed = reserve(voucher=voucher, customer="cus_1", subscription="sub_1")
    lapse()
    released = reserve(voucher=voucher, customer="cus_1", subscription="sub_2")
    release(released)
    confirmed = reserve(voucher=voucher, customer="cus_1", subscription="sub_3")
    replaced = reserve(voucher=voucher, customer="cus_1", subscription="sub_4")
    kept = reserve(voucher=voucher, customer="cus_1", subscription="sub_4")
    answer = explained(customer="cus_1")
    confirm(confirmed)
    after = explained(customer="cus_1")
    statuses = {each["id"]: each["status"] for each in after["holds"]}
    assert statuses == {
        lapsed["id"]: "lapsed",
        released["id"]: "released",
        replaced["id"]: "replaced",
        kept["id"]: "open",
    }
    assert [CLOCKED.sub("<instant>", each["text"]) for each in after["holds"]] == [
        "The place was held until <instant> and not redeemed by then, so there is no discount.",
        "The place that was held was released, so this request granted no discount.",
        "Another request of the customer took the place that was held.",
        "A place is held until <instant>. It was not redeemed yet, so there is no discount.",
    ]
    assert answer["finding"] == "only_held"
    assert (after["finding"], len(after["requests"])) == ("granted", 1)


@pytest.mark.parametrize("owner", ["customer", "subscription"])
def test_a_refused_request_for_a_hold_is_explained_too(owner):
    """A caller that reserves before it redeems sends no other request."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    redeem(voucher=voucher["id"])
    refused = reserve(voucher=voucher["id"], **HERE)
    answer = explained(**{owner: HERE[owner]})
    (hold,) = answer["holds"]
    assert {**hold, **refused} == hold
    assert hold["voucherName"] == "Ten percent"
    assert hold["text"] == REFUSALS["max_redemptions_reached"]
    assert answer["finding"] == "only_refused"
    assert answer["text"].endswith(REFUSALS["max_redemptions_reached"])


def test_reasons_that_are_not_stored_are_explained_nowhere():
    """Another body under the same id, and a place that may become free: nothing is kept of them."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    reserve(voucher=voucher["id"])
    assert redeem(voucher=voucher["id"], **HERE)["reason"] == Refusal.FULLY_RESERVED
    assert explained(customer="cus_1")["finding"] == "never_redeemed"
