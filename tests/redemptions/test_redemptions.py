"""Redeeming: the decision table in order of precedence, idempotency, and limits across vouchers."""

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from domain.eligibility import Refusal
from tasks.wire.errors import NotFound
from tests.support.requests import apply, create_voucher, redeem, redemption
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

ALL_RESTRICTIONS = {
    "maximumRedemptions": 2,
    "maximumRedemptionsPerCustomer": 1,
    "products": ["prod_a"],
    "minimumSubtotal": {"amount": 5000, "currency": "USD"},
}
ELIGIBLE = {"products": ["prod_a"], "currency": "USD", "subtotal": 5000}


def ago(minutes: float) -> str:
    """This function will return the instant so many minutes back."""
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()


def retire(voucher: dict) -> None:
    """This function will retire a voucher by hand."""
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})


def test_an_accepted_request_is_answered_with_every_field():
    """As in the contract, and the same from `redemptions.retrieve`."""
    voucher = create_voucher(code="SUMMER")
    answer = redeem(requestId="order-1", code=" summer ", customer="cus_a", subscription="sub_a")
    assert answer == {
        "object": "redemption",
        "id": answer["id"],
        "project": "gigs",
        "requestId": "order-1",
        "outcome": "accepted",
        "reason": None,
        "voucher": voucher["id"],
        "code": "SUMMER",
        "customer": "cus_a",
        "subscription": "sub_a",
        "discount": answer["discount"],
        "redemptionNumber": 1,
        "decidedAt": answer["decidedAt"],
    }
    assert answer["id"].startswith("red_")
    assert answer["discount"].startswith("dis_")
    assert answer["decidedAt"].endswith("Z")
    assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": "order-1"}) == answer


@pytest.mark.parametrize("subtotal", [0, 999_999_999_999])
def test_a_request_may_go_to_the_bounds(subtotal):
    """One further is refused, which the tests of messages say."""
    voucher = create_voucher()
    ids = {name: name[0] * 255 for name in ("requestId", "customer", "subscription")}
    products = [str(index) for index in range(1000)]
    fields = {"currency": "usd", "subtotal": subtotal, "products": products, "startsOn": "2999-12-31"}
    answer = redeem(voucher=voucher["id"], **ids, **fields)
    assert {**answer, **ids, "outcome": "accepted"} == answer


def test_numbers_count_the_accepted_redemptions_without_a_gap():
    """A refused request in between takes none."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    numbers = [
        redeem(voucher=voucher["id"], products=products)["redemptionNumber"]
        for products in (["prod_a"], ["prod_b"], ["prod_a"], [], ["prod_b", "prod_a"])
    ]
    assert numbers == [1, None, 2, None, 3]
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})["redemptions"] == 3


def test_an_unknown_voucher_or_code_is_refused_and_the_refusal_is_kept():
    """The answer shows what was asked for; creating the voucher later does not change it."""
    request = redemption(code="LATER")
    refused = task_named("redemptions.redeem")(request=request)
    assert (refused["outcome"], refused["reason"]) == ("refused", "voucher_not_found")
    assert (refused["voucher"], refused["code"], refused["discount"]) == (None, "LATER", None)
    create_voucher(code="LATER")
    assert task_named("redemptions.redeem")(request=request) == refused
    assert redeem(voucher="vou_01m802aq92e78rshs8mnssdx40")["reason"] == "voucher_not_found"
    assert redeem(code="LATER", project="other")["reason"] == "voucher_not_found"


def test_each_reason_is_answered_in_the_order_of_precedence():
    """One voucher and one subscription break every rule; then the first broken rule is mended, one by one."""
    subscription, customer = "sub_full", "cus_greedy"
    reasons = []

    def attempt(voucher: dict, **fields) -> None:
        answer = redeem(voucher=voucher["id"], **{"subscription": subscription, "customer": customer, **fields})
        reasons.append(answer["reason"])

    def voucher_of(stamps: int | None = None, **restrictions) -> dict:
        return create_voucher(
            priceDiscount={"amount": 999, "currency": "USD"},
            restrictions={**ALL_RESTRICTIONS, **restrictions},
            stampCard=stamps and {"stamps": stamps},
        )

    for _ in range(19):
        redeem(voucher=create_voucher()["id"], subscription=subscription)
    full = voucher_of(maximumRedemptions=1)
    redeem(voucher=full["id"], subscription=subscription, customer=customer, **ELIGIBLE)
    roomy_subscription = "sub_roomy"
    limited = voucher_of()
    redeem(voucher=limited["id"], subscription=roomy_subscription, customer=customer, **ELIGIBLE)
    running = voucher_of(maximumRedemptionsPerCustomer=None)
    redeem(voucher=running["id"], subscription=roomy_subscription, customer=customer, **ELIGIBLE)

    not_started = voucher_of(startsAt=ago(-60), expiresAt=ago(-120))
    retired_not_started = voucher_of(startsAt=ago(-60))
    retire(retired_not_started)
    fresh = voucher_of(maximumRedemptions=50)

    attempt(retired_not_started)
    attempt(not_started)
    attempt(voucher_of(expiresAt=ago(60)))
    attempt(full)
    attempt(limited, subscription=roomy_subscription)
    attempt(running, subscription=roomy_subscription)
    attempt(voucher_of(stamps=10))
    attempt(fresh)
    attempt(fresh, products=["prod_a"])
    attempt(fresh, products=["prod_a"], currency="USD")
    attempt(fresh, **ELIGIBLE)
    # Whoever names the voucher itself is subject to no code.
    assert reasons == [reason.value for reason in list(Refusal)[2:-1] if not reason.startswith("code_")]
    assert redeem(voucher=fresh["id"], customer=customer, **ELIGIBLE)["outcome"] == "accepted"


def test_the_same_request_gets_the_same_answer_for_ever():
    """Accepted and refused ones, also when everything has changed since."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    accepted, refused = redemption(voucher=voucher["id"]), redemption(voucher=voucher["id"])
    answers = [task_named("redemptions.redeem")(request=each) for each in (accepted, refused)]
    assert [each["outcome"] for each in answers] == ["accepted", "refused"]
    retire(voucher)
    assert [task_named("redemptions.redeem")(request=each) for each in (accepted, refused)] == answers


def test_the_same_request_id_with_another_body_is_refused_and_not_stored():
    """The first stands, and a third call with the first body gets the first answer."""
    voucher = create_voucher()
    request = redemption(voucher=voucher["id"])
    first = task_named("redemptions.redeem")(request=request)
    conflict = task_named("redemptions.redeem")(request={**request, "customer": "cus_other"})
    assert (conflict["outcome"], conflict["reason"]) == ("refused", "idempotency_conflict")
    assert (conflict["id"], conflict["redemptionNumber"], conflict["customer"]) == (None, None, "cus_other")
    assert task_named("redemptions.redeem")(request=request) == first
    assert task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": request["requestId"]}) == first


def test_a_body_is_the_same_in_either_spelling_and_with_defaults_spelt_out():
    """What counts is what was said."""
    voucher = create_voucher()
    first = redeem(requestId="r1", voucher=voucher["id"], customer="c", subscription="s", startsOn="2027-01-01")
    again = task_named("redemptions.redeem")(
        request={
            "project": "gigs",
            "request_id": "r1",
            "voucher": voucher["id"],
            "code": None,
            "customer": "c",
            "subscription": "s",
            "products": None,
            "starts_on": "2027-01-01",
        }
    )
    assert again == first


def test_a_bulk_request_is_decided_in_its_order_and_duplicates_in_it_count_once():
    """The first two get the two places; a copy in the same batch is a replay, a conflict is told."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second, third = (redemption(voucher=voucher["id"]) for _ in range(3))
    other_body = {**first, "customer": "cus_other"}
    items = task_named("redemptions.redeem_many")(request={"requests": [first, first, second, other_body, third]})[
        "items"
    ]
    assert [item["redemptionNumber"] for item in items] == [1, 1, 2, None, None]
    assert [item["reason"] for item in items] == [None, None, None, "idempotency_conflict", "max_redemptions_reached"]
    assert items[0] == items[1]


def test_a_bad_item_alone_is_invalid_and_the_others_go_on():
    """Each in its place."""
    voucher = create_voucher()
    good = redemption(voucher=voucher["id"])
    bad = redemption(voucher=voucher["id"], code="BOTH", customer="")
    answer = task_named("redemptions.redeem_many")(request={"requests": [bad, good, 7]})
    assert answer["object"] == "list"
    assert [item["outcome"] for item in answer["items"]] == ["invalid", "accepted", "invalid"]
    assert [error["field"] for error in answer["items"][0]["errors"]] == ["code", "customer"]
    assert answer["items"][2]["errors"] == [{"field": "request", "message": "must be a JSON object"}]


def test_a_bulk_request_of_several_projects_keeps_them_apart():
    """The same request id, the same code: two vouchers, two redemptions."""
    create_voucher(code="SUMMER")
    create_voucher(code="SUMMER", project="other")
    request = redemption(code="SUMMER")
    items = task_named("redemptions.redeem_many")(request={"requests": [request, {**request, "project": "other"}]})[
        "items"
    ]
    assert [item["redemptionNumber"] for item in items] == [1, 1]
    assert items[0]["voucher"] != items[1]["voucher"]


def test_the_redemption_that_fills_a_voucher_retires_it():
    """In the same transaction, and at the instant of the decision."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    answer = redeem(voucher=voucher["id"])
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (after["status"], after["retiredReason"]) == ("retired", "maxRedemptionsReached")
    assert after["retiredAt"] == answer["decidedAt"]


def test_limits_of_a_customer_and_of_a_subscription_hold_inside_one_batch():
    """Two for each customer; twenty for each subscription; one of a voucher on a subscription."""
    limited = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    many = [create_voucher()["id"] for _ in range(21)]
    requests = [redemption(voucher=limited["id"], customer="cus_a") for _ in range(3)]
    requests += [redemption(voucher=each, subscription="sub_full") for each in [many[0], *many]]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    reasons = [item["reason"] for item in items]
    assert reasons[:3] == [None, None, "customer_limit_reached"]
    assert reasons[3:5] == [None, "already_applied"]
    assert reasons[5:] == [None] * 19 + ["discount_limit_reached"]


def test_a_callers_ids_are_compared_as_they_are():
    """Neither case nor blanks nor the form of an accent are taken for the same."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    names = ["café", "CAFÉ", " café", "café ", "cafe\u0301"]
    answers = [redeem(voucher=voucher["id"], requestId=name, customer=name, subscription=name) for name in names]
    assert [answer["redemptionNumber"] for answer in answers] == [1, 2, 3, 4, 5]
    for field in ("requestId", "customer", "subscription"):
        assert [answer[field] for answer in answers] == names


def test_a_redemption_is_not_visible_from_another_project():
    """Its id is free there."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], requestId="order-1")
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "other", "requestId": "order-1"})
    assert redeem(voucher=voucher["id"], requestId="order-1", project="other")["reason"] == "voucher_not_found"


def test_each_customer_of_a_batch_has_a_count_of_its_own():
    """What the others have had is not counted against it."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    for customer in ("cus_two", "cus_one", "cus_two"):
        redeem(voucher=voucher["id"], customer=customer)
    customers = ["cus_none", "cus_one", "cus_two", "cus_one"]
    requests = [redemption(voucher=voucher["id"], customer=customer) for customer in customers]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [item["reason"] for item in items] == [None, None, "customer_limit_reached", "customer_limit_reached"]


@pytest.mark.parametrize("swept", [True, False])
def test_a_delay_of_the_queue_costs_the_customer_nothing_swept_or_not(swept):
    """Requested before the end and within 15 minutes: accepted. Otherwise the decision's instant counts."""
    voucher = create_voucher(restrictions={"expiresAt": ago(5), "startsAt": ago(10)})
    if swept:
        task_named("expiry.sweep")(request={})
    assert redeem(voucher=voucher["id"])["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(6))["outcome"] == "accepted"
    assert redeem(voucher=voucher["id"], requestedAt=ago(4))["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(11))["reason"] == "voucher_not_started"
    assert redeem(voucher=voucher["id"], requestedAt=ago(16))["reason"] == "voucher_expired"
    assert redeem(voucher=voucher["id"], requestedAt=ago(-10))["reason"] == "voucher_expired"


def test_an_expired_voucher_that_fills_up_late_keeps_its_first_reason():
    """Retired as expired by a sweep, then filled by a request that had waited in the queue."""
    voucher = create_voucher(restrictions={"expiresAt": ago(5), "maximumRedemptions": 1})
    task_named("expiry.sweep")(request={})
    assert redeem(voucher=voucher["id"], requestedAt=ago(6))["redemptionNumber"] == 1
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]})
    assert (after["retiredReason"], after["redemptions"]) == ("expired", 1)


@pytest.mark.parametrize(
    ("fields", "before", "after"),
    [
        ({"startsOn": "2027-03-01"}, "2027-03-01", "2027-03-02"),
        ({"startsOn": "2027-03-01T23:00:00-05:00"}, "2027-03-01", "2027-03-02"),
        ({"requestedAt": "2027-03-01T01:00:00+09:00"}, "2027-03-01", "2027-03-02"),
    ],
)
def test_a_period_counts_from_the_redemption_on(fields, before, after):
    """It must end after `startsOn`; without it, after the day of `requestedAt` in its own offset."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], subscription="sub_1", **fields)
    (skipped,) = apply(period={"start": "2027-02-01", "end": before})["skipped"]
    assert skipped["reason"] == "before_start"
    assert apply(period={"start": "2027-02-01", "end": after})["discountTotal"] == 800


def test_without_dates_a_period_counts_from_the_day_of_the_decision():
    """In UTC."""
    voucher = create_voucher()
    decided_at = redeem(voucher=voucher["id"], subscription="sub_1")["decidedAt"]
    today = datetime.fromisoformat(decided_at).date()
    period = {"start": (today - timedelta(days=30)).isoformat(), "end": today.isoformat()}
    assert apply(period=period)["skipped"][0]["reason"] == "before_start"
    period["end"] = (today + timedelta(days=1)).isoformat()
    assert apply(period=period)["discountTotal"] == 800


@pytest.mark.parametrize("wrong", ["2000-01-01", "2090-01-01"])
def test_the_databases_clock_decides_whatever_this_machine_thinks(wrong):
    """A worker whose clock is decades off accepts and refuses the same."""
    is_open = create_voucher(restrictions={"startsAt": ago(5), "expiresAt": ago(-5)})
    is_over = create_voucher(restrictions={"expiresAt": ago(5)})
    is_early = create_voucher(restrictions={"startsAt": ago(-5)})
    with freeze_time(wrong):
        reasons = [redeem(voucher=each["id"])["reason"] for each in (is_open, is_over, is_early)]
    assert reasons == [None, "voucher_expired", "voucher_not_started"]


def test_a_voucher_can_run_again_once_its_discount_is_over_swept_or_not():
    """`once` is over with its invoice; a window is over on its last day, whether or not a sweep has said so."""
    once = create_voucher(recurrence={"type": "once"})
    window = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    for voucher in (once, window):
        redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01")
    answer = apply(period={"start": "2026-01-01", "end": "2026-02-01"})
    assert len(answer["discounts"]) == 2
    for voucher in (once, window):
        assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"
        assert redeem(voucher=voucher["id"], subscription="sub_1")["reason"] == "already_applied"


def test_once_is_over_with_its_invoice_though_the_period_goes_on():
    """There is nothing left that could run."""
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="sub_1")
    # Of today, which ends tomorrow.
    assert apply(period=None)["discountTotal"] == 800
    assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"


def test_a_discount_is_over_on_the_very_day_that_its_window_ends():
    """Its last day is the one before."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInCycles": 1})
    today = datetime.now(UTC).date()
    start = today - timedelta(days=30)
    redeem(voucher=voucher["id"], subscription="sub_1", startsOn=start.isoformat())
    apply(period={"start": start.isoformat(), "end": today.isoformat()})
    assert redeem(voucher=voucher["id"], subscription="sub_1")["outcome"] == "accepted"


def test_a_retired_voucher_leaves_its_discounts_running():
    """Ending a discount is a verb of its own."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], subscription="sub_1")
    retire(voucher)
    assert apply()["discountTotal"] == 800
