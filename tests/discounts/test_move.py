"""`discounts.move`: the discount goes to another subscription with all that it has done, and the limits there hold."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest, NotFound
from tests.discounts.calls import grant
from tests.support.changes import ACTOR, kinds, move, shown
from tests.support.endings import end, end_subscription, listed
from tests.support.holds import lapse, release, reserve
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, FEBRUARY, GIVING_BACK, MARCH, MAY, ONCE, refund, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

UNKNOWN = "dis_01m802aq92e78rshs8mnssdx40"
MONTHS, CYCLES = ({"recurrence": {"type": "repeating", name: 2}} for name in ("durationInMonths", "durationInCycles"))
BALANCE = {"priceDiscount": {"amount": 10_000, "currency": "USD"}, "carryOver": True}


def granted(**fields: Any) -> str:
    """Redeem a new voucher for cus_1 on sub_1, and return the discount."""
    return str(grant(create_voucher(**fields)["id"], customer="cus_1")["discount"])


def discounts_of(invoice: dict[str, Any]) -> list[tuple[str, int]]:
    """Return the discount and the amount of each part of an answer to an invoice."""
    return [(each["discount"], each["amount"]) for each in invoice["discounts"]]


def test_a_moved_discount_takes_part_in_invoices_of_the_new_subscription_only():
    """The answer is the discount with its history. Invoices of the old subscription get nothing, late ones too."""
    discount = granted()
    before = shown(discount)
    answer = move(discount, note="Upgrade to a yearly plan")
    at = answer["history"][0]["at"]
    change = {
        "kind": "moved",
        "actor": ACTOR,
        "note": "Upgrade to a yearly plan",
        "from": {"subscription": "sub_1"},
        "to": {"subscription": "sub_2"},
        "at": at,
    }
    assert (
        answer
        == {**before, "subscription": "sub_2", "updatedAt": at, "history": [change, *before["history"]]}
        == shown(discount)
    )
    assert discounts_of(apply(subscription="sub_1")) == []
    assert discounts_of(apply(subscription="sub_2")) == [(discount, 800)]
    assert (listed(subscription="sub_1"), listed(subscription="sub_2")) == ([], [discount])


@pytest.mark.parametrize(("fields", "free_from"), [(MONTHS, "2027-04-01"), (CYCLES, "2027-04-01")])
def test_the_window_and_the_cycles_go_along(fields, free_from):
    """One of two periods was discounted on the old subscription, so the new one gets one more."""
    discount = granted(**fields)
    apply(period=FEBRUARY)
    assert move(discount)["cycles"] == 1
    later = [apply(subscription="sub_2", period=each) for each in (MARCH, APRIL)]
    assert [discounts_of(each) for each in later] == [[(discount, 800)], []]
    assert shown(discount)["fullPriceFrom"] == free_from


def test_cycles_of_the_old_subscription_give_no_notice_on_the_new_one():
    """The new subscription begins in the middle of a cycle of the old one. Back on the old one, that cycle counts."""
    discount = granted()
    apply(period=FEBRUARY)
    middle = {"start": "2027-02-15", "end": "2027-03-15"}
    move(discount)
    assert apply(subscription="sub_2", period=middle)["notices"] == []
    move(discount, "sub_1")
    assert apply(period=middle)["notices"] == ["period_inside_cycle"]


def test_the_balance_goes_along():
    """Of 100.00, 80.00 were used on the old subscription."""
    discount = granted(**BALANCE, recurrence={"type": "forever"})
    apply()
    move(discount)
    answer = apply(subscription="sub_2", period=MARCH)
    assert [(each["amount"], each["debitBalance"]) for each in answer["discounts"]] == [(2000, 0)]
    assert shown(discount)["status"] == "completed"


def test_the_allowance_of_a_period_is_shared_by_both_subscriptions():
    """Invoices of both have the same period, and the fixed amount is one allowance for it."""
    discount = granted(priceDiscount={"amount": 10_000, "currency": "USD"})
    apply()
    move(discount)
    assert discounts_of(apply(subscription="sub_2")) == [(discount, 2000)]


def test_the_history_has_every_move_newest_first_and_shows_the_latest_ten():
    """The table keeps all of them."""
    discount = granted()
    for number in range(2, 14):
        answer = move(discount, f"sub_{number}", actor=f"actor {number}")
    moves = [
        (each["actor"], each["from"]["subscription"], each["to"]["subscription"]) for each in answer["history"][:10]
    ]
    assert moves == [(f"actor {number}", f"sub_{number - 1}", f"sub_{number}") for number in range(13, 3, -1)]
    assert shown(discount)["history"] == answer["history"]
    assert kinds(answer)[10:] == ["granted"]
    *latest, oldest = end(discount)["history"]
    assert (latest[0]["kind"], latest[1:], oldest) == ("ended", answer["history"][:9], answer["history"][10])


def test_the_same_request_gets_the_first_answer():
    """Also after a later move. Another body under the id is a conflict, and changes nothing."""
    discount = granted()
    first = move(discount, requestId="r1")
    move(discount, "sub_3", requestId="r2")
    assert move(discount, requestId="r1") == first
    conflict = {"object": "discount", "project": "gigs", "requestId": "r1", "outcome": "refused", "retryable": False}
    assert move(discount, note="because", requestId="r1") == {**conflict, "reason": "idempotency_conflict"}
    assert shown(discount)["subscription"] == "sub_3"


def test_moving_a_discount_to_where_it_is_changes_nothing():
    """Not even an ended discount, of which a repetition without a request id may come late."""
    discount = granted()
    assert move(discount, "sub_1") == shown(discount)
    end(discount)
    assert move(discount, "sub_1") == shown(discount)
    assert kinds(shown(discount)) == ["ended", "granted"]


def test_an_ended_discount_is_not_moved():
    """`discount_ended` comes before all other reasons but the conflict."""
    discount = granted()
    apply()
    end(discount)
    assert move(discount)["reason"] == "discount_ended"
    assert shown(discount)["subscription"] == "sub_1"


@pytest.mark.parametrize(
    ("fields", "period"),
    [
        (ONCE, FEBRUARY),
        ({**BALANCE, "priceDiscount": {"amount": 8000, "currency": "USD"}, **MONTHS}, FEBRUARY),
        (MONTHS, {"start": "2024-02-01", "end": "2024-03-01"}),
        (CYCLES, {"start": "2024-02-01", "end": "2024-03-01"}),
    ],
)
def test_a_discount_that_is_over_is_not_moved(fields, period):
    """Swept or not: `once` and a balance after the last invoice, and the others after their window."""
    voucher = create_voucher(**fields)["id"]
    discount = grant(voucher, customer="cus_1", startsOn="2024-01-01")["discount"]
    apply(period=period)
    if fields is CYCLES:
        apply(period={"start": "2024-03-01", "end": "2024-04-01"})
    assert move(discount)["reason"] == "discount_completed"
    task_named("expiry.sweep")(request={})
    assert move(discount)["reason"] == "discount_completed"
    assert kinds(shown(discount)) == ["granted"]


@pytest.mark.parametrize("reason", GIVING_BACK)
def test_a_discount_that_got_its_cycle_back_without_room_can_be_moved_and_runs_again(reason):
    """The voucher was redeemed again on the old subscription meanwhile, so the discount stayed completed there."""
    voucher = create_voucher(**ONCE)["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    apply(invoice="inv_1")
    grant(voucher)
    assert reverse("inv_1", reason)["discounts"][0]["status"] == "completed"
    assert shown(discount)["completedAt"] is not None
    answer = move(discount)
    assert (answer["status"], answer["completedAt"]) == ("running", None)
    assert discounts_of(apply(subscription="sub_2")) == [(discount, 800)]


def test_a_target_where_the_voucher_runs_refuses_the_discount():
    """`already_applied` comes before the limit of 20 discounts."""
    voucher = create_voucher()["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    redeem(voucher=voucher, subscription="sub_2")
    for _ in range(19):
        redeem(voucher=create_voucher()["id"], subscription="sub_2")
    answer = move(discount, requestId="r1")
    assert (answer["outcome"], answer["reason"], answer["retryable"]) == ("refused", "already_applied", False)
    assert move(discount, requestId="r1") == answer
    assert shown(discount)["subscription"] == "sub_1"


def test_a_discount_whose_window_is_over_is_no_obstacle_on_the_target():
    """No sweep has completed it yet."""
    voucher = create_voucher(**MONTHS)["id"]
    redeem(voucher=voucher, subscription="sub_2", startsOn="2024-01-01")
    apply(subscription="sub_2", period={"start": "2024-02-01", "end": "2024-03-01"})
    discount = grant(voucher, customer="cus_1")["discount"]
    assert move(discount)["subscription"] == "sub_2"


def test_a_target_runs_at_most_20_discounts():
    """The limit comes before a hold of the voucher."""
    voucher = create_voucher()["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    hold = reserve(voucher=voucher, subscription="sub_2")
    others = [redeem(voucher=create_voucher()["id"], subscription="sub_2")["discount"] for _ in range(20)]
    assert move(discount)["reason"] == "discount_limit_reached"
    end(others[0])
    assert move(discount)["reason"] == "fully_reserved"
    release(hold)
    assert move(discount)["subscription"] == "sub_2"


@pytest.mark.parametrize("customer", ["cus_1", "cus_2"])
def test_a_hold_of_the_voucher_on_the_target_refuses_the_discount_until_it_lapses(customer):
    """Whoever holds it. The answer can be retried and is not stored."""
    voucher = create_voucher()["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    reserve(voucher=voucher, subscription="sub_2", customer=customer)
    refused = {"object": "discount", "project": "gigs", "requestId": "r1", "outcome": "refused"}
    assert move(discount, requestId="r1") == {**refused, "reason": "fully_reserved", "retryable": True}
    lapse()
    assert move(discount, requestId="r1")["subscription"] == "sub_2"


def test_a_moved_discount_leaves_its_place_on_the_old_subscription_and_takes_one_on_the_new():
    """The same voucher can be redeemed on the old one again, and not on the new one."""
    voucher = create_voucher()["id"]
    move(grant(voucher, customer="cus_1")["discount"])
    assert redeem(voucher=voucher, subscription="sub_2")["reason"] == "already_applied"
    assert redeem(voucher=voucher, subscription="sub_1")["outcome"] == "accepted"


def test_ending_the_old_subscription_does_not_end_what_was_moved():
    """The place stays taken. Ending the new subscription returns it, because the discount never took effect."""
    discount = granted(restrictions={"maximumRedemptions": 1})
    move(discount)
    assert (end_subscription("sub_1")["discounts"], shown(discount)["status"]) == ([], "running")
    answer = end_subscription("sub_2")
    assert ([each["id"] for each in answer["discounts"]], answer["placesReturned"]) == ([discount], 1)


def test_the_redemption_keeps_the_subscription_of_the_request():
    """The request id gets the first answer, whatever has become of the discount."""
    redeemed = grant(customer="cus_1", requestId="order-a")
    move(redeemed["discount"])
    reference = {"project": "gigs", "requestId": "order-a"}
    assert task_named("redemptions.retrieve")(request=reference) == redeemed


@pytest.mark.parametrize("body", [{"discount": UNKNOWN}, {"project": "other"}])
def test_an_unknown_discount_is_not_found(body):
    """An unknown id, or the discount of another project."""
    discount = granted()
    with pytest.raises(NotFound, match="discount"):
        move(body.get("discount", discount), **{name: each for name, each in body.items() if name != "discount"})
    assert shown(discount)["subscription"] == "sub_1"


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"actor": 7}, {"actor"}),
        ({"actor": "a\0"}, {"actor"}),
        ({"actor": "", "note": "x" * 501}, {"actor", "note"}),
        ({"actor": "x" * 256, "note": "", "months": 1}, {"actor", "note", "months"}),
    ],
)
def test_every_bad_field_is_named(fields, bad):
    """An actor has 1 to 255 characters, and a note has 1 to 500 characters."""
    with pytest.raises(InvalidRequest) as error:
        move(UNKNOWN, **fields)
    assert {each["field"] for each in error.value.errors} == bad


def test_reversing_an_old_invoice_gives_the_moved_discount_its_cycle_back():
    """The ledger of the old subscription stays, and the progress is that of both."""
    discount = granted(**CYCLES)
    apply(invoice="inv_1")
    move(discount)
    apply(subscription="sub_2", period=MARCH)
    answer = reverse("inv_1")
    assert [(each["discount"], each["cycles"], each["status"]) for each in answer["discounts"]] == [
        (discount, 1, "running")
    ]
    later = [apply(subscription="sub_2", period=each) for each in (APRIL, MAY)]
    assert [discounts_of(each) for each in later] == [[(discount, 800)], []]


@pytest.mark.parametrize("runs_on", ["sub_1", "sub_2"])
def test_a_reversal_counts_the_discounts_of_the_present_subscription(runs_on):
    """The completed discount runs again unless its voucher runs on sub_2. Another one on sub_1 does not matter."""
    voucher = create_voucher(**ONCE)["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    apply(invoice="inv_1")
    reverse("inv_1")
    apply(invoice="inv_2")
    reverse("inv_2")
    move(discount)
    apply(invoice="inv_3", subscription="sub_2")
    redeem(voucher=voucher, subscription=runs_on)
    answer = reverse("inv_3")
    expected = "running" if runs_on == "sub_1" else "completed"
    assert [each["status"] for each in answer["discounts"]] == [expected]


def test_reversing_an_old_invoice_needs_room_on_the_present_subscription():
    """The balance was used up on sub_1, before and after a void; on sub_2 the voucher was redeemed since."""
    voucher = create_voucher(**BALANCE, recurrence={"type": "forever"})["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 6000}])
    move(discount)
    apply(invoice="inv_2", subscription="sub_2", period=MARCH)
    assert shown(discount)["status"] == "completed"
    redeem(voucher=voucher, subscription="sub_2", currency="USD")
    assert reverse("inv_1")["discounts"][0]["status"] == "completed"
    assert shown(discount)["status"] == "completed"


@pytest.mark.parametrize("runs_on", ["sub_1", "sub_2"])
def test_a_refund_of_an_old_invoice_counts_the_discounts_of_the_present_subscription(runs_on):
    """The balance was moved and used up. It runs again unless its voucher runs on sub_2; sub_1 does not matter."""
    voucher = create_voucher(**BALANCE, recurrence={"type": "forever"})["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 6000}])
    move(discount)
    apply(invoice="inv_2", subscription="sub_2", period=MARCH)
    redeem(voucher=voucher, subscription=runs_on, currency="USD")
    answer = refund("inv_1", "r1", base=1000)
    after = shown(discount)
    expected = "running" if runs_on == "sub_1" else "completed"
    assert [each["status"] for each in answer["discounts"]] == [after["status"]] == [expected]
    assert (after["completedAt"] is None) == (expected == "running")


def test_a_balance_that_a_refund_has_refilled_can_be_moved():
    """The refund left it completed, because the voucher was redeemed again on its subscription."""
    voucher = create_voucher(**BALANCE, recurrence={"type": "forever"})["id"]
    discount = grant(voucher, customer="cus_1")["discount"]
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 10_000}])
    assert move(discount)["reason"] == "discount_completed"
    redeem(voucher=voucher, subscription="sub_1", currency="USD")
    assert refund("inv_1", "r1", base=1000)["discounts"][0]["status"] == "completed"
    assert move(discount)["status"] == "running"
    assert discounts_of(apply(subscription="sub_2", period=MARCH)) == [(discount, 1000)]
