"""Holds: what they count against, whom they never stand in the way of, and what becomes of them."""

from collections import Counter
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from models.discounts.discount import DISCOUNTS
from models.vouchers.voucher import VOUCHERS
from tasks.redemptions.messages import Redeem, Reserve
from tasks.redemptions.reserve import reserve_all
from tasks.sweeps.expiry import sweep_all
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.holds import confirm, lapse, reference, release, reserve, stored, voucher_held
from tests.support.requests import add_codes, apply, create_voucher, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

LAST_PLACE = {"restrictions": {"maximumRedemptions": 1}}


def outcome(answer: dict) -> tuple:
    """This function will return what was decided."""
    return answer["outcome"], answer["reason"]


ACCEPTED = ("accepted", None)
FULLY_RESERVED = ("refused", "fully_reserved")


def update(voucher: dict, **fields) -> dict:
    """This function will change a voucher."""
    answer: dict = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher["id"], **fields})
    return answer


def retire(voucher: dict) -> None:
    """This function will retire a voucher by hand."""
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})


def test_a_hold_is_answered_with_its_end():
    """15 minutes unless said otherwise, at most 7 days, from the decision on."""
    voucher = create_voucher(code="SUMMER")
    for ttl, seconds in (({}, 900), ({"ttl": 1}, 1), ({"ttl": 604_800}, 604_800)):
        answer = reserve(code="summer", requestId=f"order-{seconds}", customer="cus_1", subscription="sub_1", **ttl)
        held_for = datetime.fromisoformat(answer["expiresAt"]) - datetime.fromisoformat(answer["decidedAt"])
        assert held_for == timedelta(seconds=seconds)
    assert answer == {
        "object": "hold",
        "id": answer["id"],
        "project": "gigs",
        "requestId": "order-604800",
        "outcome": "accepted",
        "reason": None,
        "retryable": False,
        "voucher": voucher["id"],
        "code": "SUMMER",
        "customer": "cus_1",
        "subscription": "sub_1",
        "status": "open",
        "expiresAt": answer["expiresAt"],
        "decidedAt": answer["decidedAt"],
    }
    assert answer["id"].startswith("hol_")


@pytest.mark.parametrize("ttl", [0, -1, 604_801, "900", 1.5, True])
def test_a_time_out_of_range_is_invalid(ttl):
    """And nothing is written."""
    create_voucher(code="SUMMER")
    with pytest.raises(InvalidRequest) as error:
        reserve(code="SUMMER", ttl=ttl, customer="")
    assert {each["field"] for each in error.value.errors} == {"ttl", "customer"}
    assert stored() == []


@pytest.mark.parametrize("named", [{}, {"hold": "hol_01m80jhpbpe23bqqc7s095qf9k", "requestId": "r1"}])
@pytest.mark.parametrize("name", ["confirm", "release"])
def test_a_hold_is_named_by_one_of_its_two_ids(name, named):
    """Neither none nor both."""
    with pytest.raises(InvalidRequest) as error:
        task_named(f"redemptions.{name}")(request={"project": "gigs", **named})
    assert [each["field"] for each in error.value.errors] == ["requestId"]


@pytest.mark.parametrize("name", ["confirm", "release"])
def test_what_is_not_held_is_not_found(name):
    """Unknown, of another project, and refused: that holds nothing."""
    hold = reserve(voucher=create_voucher()["id"], requestId="r1")
    assert outcome(reserve(code="UNKNOWN", requestId="r2")) == ("refused", "voucher_not_found")
    for body in (
        {"project": "gigs", "requestId": "r2"},
        {"project": "gigs", "requestId": "r3"},
        {"project": "other", "requestId": "r1"},
        {"project": "other", "hold": hold["id"]},
    ):
        with pytest.raises(NotFound, match="hold"):
            task_named(f"redemptions.{name}")(request=body)


def test_a_hold_counts_against_the_limit_of_its_voucher():
    """For those who redeem and those who reserve: not used up, but fully reserved, and worth a retry."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    hold = reserve(voucher=voucher["id"])
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED
    refused = redeem(voucher=voucher["id"])
    assert (refused["reason"], refused["retryable"], refused["id"]) == ("fully_reserved", True, None)
    refused = reserve(voucher=voucher["id"])
    assert (refused["reason"], refused["retryable"], refused["id"]) == ("fully_reserved", True, None)
    assert confirm(hold)["redemptionNumber"] == 2
    for full in (redeem(voucher=voucher["id"]), reserve(voucher=voucher["id"])):
        assert outcome(full) == ("refused", "max_redemptions_reached")
        assert not full.get("retryable")


def test_only_that_reason_is_worth_a_retry():
    """Every other redemption is answered with the fields that it always had."""
    voucher = create_voucher()
    assert "retryable" not in redeem(voucher=voucher["id"])
    assert "retryable" not in redeem(code="UNKNOWN")
    assert reserve(code="UNKNOWN")["retryable"] is False


def test_a_refusal_worth_a_retry_is_not_stored():
    """The same id is tried again, until a place is free; then its answer stands."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"])
    bodies = [redemption(voucher=voucher["id"]) for _ in range(2)]
    assert outcome(task_named("redemptions.redeem")(request=bodies[0])) == FULLY_RESERVED
    assert outcome(task_named("redemptions.reserve")(request=bodies[1])) == FULLY_RESERVED
    with pytest.raises(NotFound):
        task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": bodies[0]["requestId"]})
    release(hold)
    second = task_named("redemptions.reserve")(request=bodies[1])
    assert outcome(second) == ACCEPTED
    assert outcome(task_named("redemptions.redeem")(request=bodies[0])) == FULLY_RESERVED
    release(second)
    first = task_named("redemptions.redeem")(request=bodies[0])
    assert outcome(first) == ACCEPTED
    assert task_named("redemptions.redeem")(request=bodies[0]) == first
    assert task_named("redemptions.reserve")(request=bodies[1]) == second


def test_only_those_are_told_to_try_again_whom_nothing_else_refuses():
    """A place that becomes free would be of no use to the others."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1, "products": ["prod_a"]})
    reserve(voucher=voucher["id"], products=["prod_a"])
    assert redeem(voucher=voucher["id"])["reason"] == "product_not_eligible"
    assert redeem(voucher=voucher["id"], products=["prod_a"])["reason"] == "fully_reserved"


def test_a_hold_counts_against_the_limit_of_its_code():
    """Not against that of another code, nor for whoever names the voucher."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1}, {"code": "TWO", "maximumRedemptions": 2})
    reserve(voucher=voucher["id"])
    hold = reserve(code="ONE")
    assert outcome(redeem(code="ONE")) == FULLY_RESERVED
    assert outcome(reserve(code="ONE")) == FULLY_RESERVED
    assert outcome(reserve(code="TWO")) == ACCEPTED
    assert outcome(redeem(code="TWO")) == ACCEPTED
    assert outcome(redeem(code="TWO")) == FULLY_RESERVED
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED
    assert outcome(confirm(hold)) == ACCEPTED
    assert redeem(code="ONE")["reason"] == "code_max_redemptions_reached"


def test_a_subscription_that_is_held_by_another_customer_is_reserved():
    """The voucher runs on it once at a time."""
    voucher = create_voucher()
    hold = reserve(voucher=voucher["id"], subscription="sub_1")
    assert outcome(redeem(voucher=voucher["id"], subscription="sub_1")) == FULLY_RESERVED
    assert outcome(reserve(voucher=voucher["id"], subscription="sub_1")) == FULLY_RESERVED
    assert outcome(redeem(voucher=create_voucher()["id"], subscription="sub_1")) == ACCEPTED
    confirm(hold)
    assert redeem(voucher=voucher["id"], subscription="sub_1")["reason"] == "already_applied"


def test_a_hold_is_confirmed_as_the_redemption_of_its_request():
    """Under its id, as redeeming answers, once."""
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


def test_a_voucher_retires_as_full_on_confirmed_redemptions_only():
    """All of it held is not full; the last confirmation is."""
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


def test_a_hold_is_released_once_whoever_asks_how_often():
    """The place is free, and stays free once."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"], requestId="r1")
    answer = release(hold)
    assert answer == {**hold, "status": "released"}
    assert task_named("redemptions.release")(request={"project": "gigs", "requestId": "r1"}) == answer
    assert voucher_held() == 0
    other = reserve(voucher=voucher["id"])
    assert outcome(other) == ACCEPTED
    assert release(hold) == answer
    assert outcome(redeem(voucher=voucher["id"])) == FULLY_RESERVED
    assert confirm(hold)["reason"] == "hold_released"
    assert confirm(hold)["id"] is None


def test_releasing_what_is_confirmed_changes_nothing():
    """And says so."""
    hold = reserve(voucher=create_voucher()["id"])
    redeemed = confirm(hold)
    assert release(hold) == {**hold, "status": "confirmed"}
    assert confirm(hold) == redeemed
    assert stored() == ["confirmed"]


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_hold_blocks_nobody(swept):
    """Neither in the voucher nor in its code, nor on its subscription, swept or not."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    reserve(code="ONE", subscription="sub_1")
    lapse()
    if swept:
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1
    other = reserve(code="ONE", subscription="sub_1")
    assert outcome(other) == ACCEPTED
    release(other)
    assert outcome(redeem(code="ONE", subscription="sub_1")) == ACCEPTED
    assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 0
    assert voucher_held() == 0


@pytest.mark.parametrize("swept", [False, True])
def test_nor_does_it_by_its_codes_limit_while_something_else_of_the_voucher_is_held(swept):
    """What is held by the code is counted by itself then."""
    voucher = create_voucher()
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    reserve(code="ONE")
    lapse()
    reserve(voucher=voucher["id"])
    if swept:
        task_named("expiry.sweep")(request={})
    assert outcome(reserve(code="ONE")) == ACCEPTED
    assert outcome(redeem(code="ONE")) == FULLY_RESERVED


def test_a_swept_hold_was_over_at_its_end():
    """However late the sweep."""
    reserve(voucher=create_voucher()["id"])
    lapse()
    task_named("expiry.sweep")(request={})
    assert stored("closed_at") == stored("expires_at")


@pytest.mark.parametrize("swept", [False, True])
def test_a_lapsed_hold_is_confirmed_while_there_is_room(swept):
    """Else with the true reason; a place that may become free can be tried again."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second = (reserve(voucher=voucher["id"]) for _ in range(2))
    lapse()
    if swept:
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 2
    assert outcome(confirm(first)) == ACCEPTED
    third = reserve(voucher=voucher["id"])
    assert confirm(second)["retryable"] is True
    release(third)
    assert outcome(confirm(second)) == ACCEPTED
    assert stored() == ["confirmed", "confirmed", "released"]
    assert voucher_held() == 0


def test_a_lapsed_hold_is_refused_with_the_true_reason():
    """For ever: it is the answer to the redemption of that id."""
    voucher = create_voucher(**LAST_PLACE)
    hold = reserve(voucher=voucher["id"])
    lapse()
    redeem(voucher=voucher["id"])
    answer = confirm(hold)
    assert outcome(answer) == ("refused", "max_redemptions_reached")
    update(voucher, restrictions={"maximumRedemptions": 5})
    assert confirm(hold) == answer


def test_a_lapsed_hold_is_honoured_no_longer():
    """Its voucher was retired meanwhile."""
    voucher = create_voucher()
    hold = reserve(voucher=voucher["id"])
    retire(voucher)
    lapse()
    assert confirm(hold)["reason"] == "voucher_retired"


def test_a_lapsed_hold_can_be_released():
    """Whoever releases it wants no later confirmation."""
    hold = reserve(voucher=create_voucher()["id"])
    lapse()
    assert release(hold)["status"] == "released"
    assert confirm(hold)["reason"] == "hold_released"
    assert voucher_held() == 0


@pytest.mark.parametrize("end", ["retired", "expired", "moved", "code", "taken", "narrowed"])
def test_a_voucher_that_ends_while_a_hold_is_open_honours_it(end):
    """Retired by hand, expired, its window or its minimum changed, its code retired or given to another voucher."""
    voucher = create_voucher(code="SUMMER")
    hold = reserve(code="SUMMER", products=["prod_a"])
    match end:
        case "retired":
            retire(voucher)
        case "expired":
            with transaction() as session:
                session.execute(text("UPDATE vouchers SET expires_at = clock_timestamp()"))
        case "moved":
            update(voucher, restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
        case "code":
            with transaction() as session:
                session.execute(text("UPDATE codes SET retired_reason = 'manualAction', retired_at = now()"))
        case "taken":
            retire(voucher)
            create_voucher(code="SUMMER")
        case "narrowed":
            update(voucher, restrictions={"minimumSubtotal": {"amount": 1, "currency": "USD"}})
    task_named("expiry.sweep")(request={})
    other = redeem(code="SUMMER")
    assert (outcome(other) == ACCEPTED) == (end == "taken")
    answer = confirm(hold)
    assert (outcome(answer), answer["voucher"]) == (ACCEPTED, voucher["id"])
    assert confirm(hold) == answer


def test_what_is_honoured_is_discounted_as_it_was_promised():
    """The voucher was retired and its window moved: its products and its price are those of the hold."""
    voucher = create_voucher(restrictions={"products": ["prod_a"], "maximumRedemptions": 1})
    hold = reserve(voucher=voucher["id"], products=["prod_a"], subscription="sub_1")
    update(voucher, restrictions={"expiresAt": "2026-01-01T00:00:00Z"})
    retire(voucher)
    assert outcome(confirm(hold)) == ACCEPTED
    lines = [{"id": name, "amount": 8000, "product": name} for name in ("prod_a", "prod_b")]
    assert [each["discount"] for each in apply(subscription="sub_1", lines=lines)["lines"]] == [800, 0]


def test_what_ended_before_is_not_held():
    """Only a hold that is open already is honoured."""
    voucher = create_voucher()
    retire(voucher)
    assert reserve(voucher=voucher["id"])["reason"] == "voucher_retired"


def test_money_terms_are_fixed_while_a_place_is_held():
    """What is held is what is redeemed. They can be changed once it has lapsed, swept or not."""
    voucher = create_voucher()
    reserve(voucher=voucher["id"])
    assert update(voucher, priceDiscountPercentage=5)["reason"] == "voucher_held"
    lapse()
    assert update(voucher, priceDiscountPercentage=5)["priceDiscountPercentage"] == 5


@pytest.mark.parametrize("redeemed", [False, True])
def test_products_are_fixed_while_a_place_is_held(redeemed):
    """Its discount is for what the customer buys. They can be changed after it, as they could before."""
    voucher = create_voucher(restrictions={"products": ["prod_a", "prod_c"]})
    if redeemed:
        redeem(voucher=voucher["id"], products=["prod_a"])
    hold = reserve(voucher=voucher["id"], products=["prod_a"], subscription="sub_1")
    for products in (["prod_b"], ["prod_a"], None):
        assert update(voucher, restrictions={"products": products})["reason"] == "voucher_held"
    assert update(voucher, restrictions={"products": ["prod_c", "prod_a"]})["status"] == "available"
    confirm(hold)
    assert update(voucher, restrictions={"products": ["prod_b"]})["restrictions"]["products"] == ["prod_b"]
    lines = [{"id": "base", "amount": 8000, "product": "prod_a"}]
    assert apply(subscription="sub_1", lines=lines)["discountTotal"] == 800


def test_what_was_redeemed_is_the_reason_where_both_are():
    """A place is held too: waiting for it would change nothing."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"])
    reserve(voucher=voucher["id"])
    assert update(voucher, priceDiscountPercentage=5)["reason"] == "voucher_already_redeemed"


def test_a_budget_comes_goes_and_changes_currency_only_while_nothing_is_held():
    """As the other terms that a discount gets with its redemption; its amount can be changed all the same."""
    ten, euro = {"amount": 1_000, "currency": "USD"}, {"amount": 1_000, "currency": "EUR"}
    voucher, other = create_voucher(budget=ten), create_voucher()
    for each in (voucher, other):
        reserve(voucher=each["id"])
    changes: list[tuple[dict, dict]] = [
        (voucher, {"budget": None}),
        (voucher, {"budget": euro}),
        (other, {"budget": ten}),
    ]
    changes += [(voucher, {"maximumDiscount": ten}), (voucher, {"budget": {**ten, "currencyOptions": {"EUR": 1}}})]
    assert [update(each, **change).get("reason") for each, change in changes] == ["voucher_held"] * 5
    assert update(voucher, budget={"amount": 1, "currency": "USD"})["budget"]["amount"] == 1
    lapse()
    assert [update(each, **change).get("reason") for each, change in changes] == [None] * 5


def test_a_limit_is_never_below_what_is_held():
    """Nor below what is redeemed and held together."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"])
    reserve(voucher=voucher["id"])
    with pytest.raises(InvalidRequest) as error:
        update(voucher, restrictions={"maximumRedemptions": 1})
    assert [each["field"] for each in error.value.errors] == ["restrictions.maximumRedemptions"]
    assert update(voucher, restrictions={"maximumRedemptions": 2})["status"] == "available"
    lapse()
    assert update(voucher, restrictions={"maximumRedemptions": 1})["retiredReason"] == "maxRedemptionsReached"


@pytest.mark.parametrize("try_again", [reserve, redeem])
def test_a_customers_own_hold_does_not_stand_in_its_way_when_it_tries_again(try_again):
    """The last place, the customer's last one, and the subscription: the second request takes the first one's place."""
    limits = {"maximumRedemptions": 1, "maximumRedemptionsPerCustomer": 1}
    voucher = create_voucher(restrictions=limits)
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    who = {"code": "ONE", "customer": "cus_1", "subscription": "sub_1"}
    reserve(**who)
    assert outcome(try_again(**who)) == ACCEPTED
    assert stored()[0] == "replaced"
    assert voucher_held() == (try_again is reserve)


@pytest.mark.parametrize("try_again", [reserve, redeem])
def test_nor_where_it_tries_again_with_another_order(try_again):
    """A one-off purchase is an order of its own each time."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})
    first = reserve(voucher=voucher["id"], customer="cus_1")
    assert outcome(try_again(voucher=voucher["id"], customer="cus_1")) == ACCEPTED
    assert stored()[0] == "replaced"
    expected = ACCEPTED if try_again is reserve else ("refused", "customer_limit_reached")
    assert outcome(confirm(first)) == expected


def test_as_few_of_its_own_holds_make_way_as_need_to():
    """With room for all of them none does; of three the oldest that helps."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 4, "maximumRedemptionsPerCustomer": 4})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    for named in ({"voucher": voucher["id"]}, {"code": "ONE"}, {"voucher": voucher["id"]}):
        assert outcome(reserve(customer="cus_1", **named)) == ACCEPTED
    assert stored() == ["open"] * 3
    assert outcome(reserve(customer="cus_1", code="ONE")) == ACCEPTED
    assert stored() == ["open", "replaced", "open", "open"]
    assert outcome(reserve(customer="cus_1", voucher=voucher["id"])) == ACCEPTED
    assert outcome(reserve(customer="cus_1", voucher=voucher["id"])) == ACCEPTED
    assert stored() == ["replaced", "replaced", "open", "open", "open", "open"]
    assert outcome(reserve(customer="cus_2", voucher=voucher["id"])) == FULLY_RESERVED


def test_a_refused_request_leaves_its_customers_holds_alone():
    """It takes nobody's place."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    who = {"voucher": voucher["id"], "customer": "cus_1", "subscription": "sub_1"}
    hold = reserve(**who, products=["prod_a"])
    assert redeem(**who)["reason"] == "product_not_eligible"
    assert outcome(confirm(hold)) == ACCEPTED


def test_a_replaced_hold_is_decided_as_a_new_request():
    """It takes the place over again; after the other's confirmation it is told the truth."""
    voucher = create_voucher(**LAST_PLACE)
    who = {"voucher": voucher["id"], "customer": "cus_1", "subscription": "sub_1"}
    first, second = reserve(**who), reserve(**who)
    assert outcome(confirm(first)) == ACCEPTED
    assert stored() == ["confirmed", "replaced"]
    assert confirm(second)["reason"] == "max_redemptions_reached"
    assert release(second)["status"] == "released"


def test_a_customer_holds_no_more_than_it_may_redeem():
    """Its limit counts what it has had and what it holds."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 2})
    made = [reserve(voucher=voucher["id"], customer="cus_1") for _ in range(3)]
    assert Counter(stored()) == {"open": 2, "replaced": 1}
    assert [outcome(confirm(each)) for each in made[1:]] == [ACCEPTED] * 2
    assert confirm(made[0])["reason"] == "customer_limit_reached"


def test_a_refusal_for_good_gives_the_place_back():
    """Twenty discounts run on the subscription by now: nobody waits for a place that is confirmed no more."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})
    hold = reserve(voucher=voucher["id"], subscription="sub_1")
    for _ in range(20):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
    answer = confirm(hold)
    assert answer["reason"] == "discount_limit_reached"
    assert confirm(hold) == answer
    assert (stored(), voucher_held()) == (["released"], 0)
    assert outcome(redeem(voucher=voucher["id"])) == ACCEPTED


def test_a_customers_limit_that_is_lowered_while_a_place_is_held_honours_it():
    """What the customer asks for from now on, and what has lapsed, is judged by the new limit."""
    voucher = create_voucher()
    redeem(voucher=voucher["id"], customer="cus_1")
    held = [reserve(voucher=voucher["id"], customer="cus_1") for _ in range(3)]
    update(voucher, restrictions={"maximumRedemptionsPerCustomer": 1})
    assert outcome(confirm(held[0])) == ACCEPTED
    assert redeem(voucher=voucher["id"], customer="cus_1")["reason"] == "customer_limit_reached"
    assert outcome(confirm(held[1])) == ACCEPTED
    lapse()
    assert confirm(held[2])["reason"] == "customer_limit_reached"


def test_the_same_request_holds_one_place():
    """Twice, and after all that has become of it; another body is a conflict."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    body = redemption(voucher=voucher["id"])
    first = task_named("redemptions.reserve")(request=body)
    assert (
        task_named("redemptions.reserve")(request=body)
        == task_named("redemptions.reserve")(request={**body, "ttl": 900})
        == first
    )
    assert voucher_held() == 1
    for other in ({**body, "ttl": 901}, {**body, "customer": "cus_other"}):
        answer = task_named("redemptions.reserve")(request=other)
        assert (answer["reason"], answer["id"], answer["status"]) == ("idempotency_conflict", None, "refused")
    release(first)
    assert task_named("redemptions.reserve")(request=body) == first
    assert voucher_held() == 0


def test_a_refused_request_is_answered_the_same_for_ever():
    """As a redemption is."""
    voucher = create_voucher(restrictions={"products": ["prod_a"]})
    body = redemption(voucher=voucher["id"])
    answer = task_named("redemptions.reserve")(request=body)
    assert answer["reason"] == "product_not_eligible"
    update(voucher, restrictions={"products": None})
    assert task_named("redemptions.reserve")(request=body) == answer


def test_the_id_of_a_redemption_is_not_one_of_a_hold():
    """What was redeemed under it would be the answer to every confirmation."""
    voucher = create_voucher()
    body = redemption(voucher=voucher["id"])
    task_named("redemptions.redeem")(request=body)
    assert task_named("redemptions.reserve")(request=body)["reason"] == "idempotency_conflict"
    assert stored() == []


def test_redeeming_under_the_id_of_a_hold_is_confirming_it():
    """With the same body; with another one it is another redemption, and the hold has lost its id."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 2})
    first, second = (redemption(voucher=voucher["id"]) for _ in range(2))
    made = [task_named("redemptions.reserve")(request=each) for each in (first, second)]
    answer = task_named("redemptions.redeem")(request=first)
    assert confirm(made[0]) == answer
    assert task_named("redemptions.redeem")(request={**second, "currency": "EUR"})["outcome"] == "accepted"
    assert confirm(made[1])["reason"] == "idempotency_conflict"
    assert stored() == ["confirmed", "released"]


def test_a_released_hold_is_redeemed_only_by_redeeming():
    """Whoever changes their mind sends a new request."""
    voucher = create_voucher()
    body = redemption(voucher=voucher["id"])
    hold = task_named("redemptions.reserve")(request=body)
    release(hold)
    assert confirm(hold)["reason"] == "hold_released"
    answer = task_named("redemptions.redeem")(request=body)
    assert outcome(answer) == ACCEPTED
    assert confirm(hold) == answer
    assert stored() == ["released"]


def test_the_request_is_confirmed_word_for_word():
    """Its fingerprint is that of the redemption which was asked for, whatever it said."""
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


def test_a_batch_of_requests_counts_what_it_has_granted_itself():
    """In the order sent, ids that repeat included."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 3, "maximumRedemptionsPerCustomer": 1})
    add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    who = {"customer": "cus_1", "subscription": "sub_1"}
    bodies = [
        redemption(voucher=voucher["id"], **who),
        redemption(code="ONE"),
        redemption(code="ONE"),
        redemption(voucher=voucher["id"], **who),
        redemption(voucher=voucher["id"]),
        redemption(voucher=voucher["id"]),
    ]
    bodies.append(bodies[1])
    with transaction() as session:
        answers = reserve_all(session, [Reserve.model_validate(each) for each in bodies])
    assert [each["reason"] for each in answers] == [None, None, "fully_reserved", None, None, "fully_reserved", None]
    assert answers[6] == answers[1]
    assert stored() == ["replaced", "open", "open", "open"]
    assert voucher_held() == 3


def test_the_place_of_a_hold_that_took_effect_is_a_redemption_like_any_other():
    """It is discounted, counted and listed as such."""
    voucher = create_voucher()
    confirm(reserve(voucher=voucher["id"], subscription="sub_1"))
    assert apply(subscription="sub_1")["discountTotal"] == 800


def test_a_code_that_is_retired_while_it_is_held_is_redeemed():
    """By hand: codes.retire."""
    voucher = create_voucher()
    (code,) = add_codes(voucher, {"code": "ONE", "maximumRedemptions": 1})
    hold = reserve(code="ONE")
    task_named("codes.retire")(request={"project": "gigs", "code": code["id"]})
    answer = confirm(hold)
    assert (outcome(answer), answer["code"]) == (ACCEPTED, "ONE")


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_a_sweep_lapses_what_is_due_in_bounded_batches(batch_size):
    """Of several vouchers; what is not yet due stays, and a second run does nothing."""
    due = [create_voucher()["id"] for _ in range(2)]
    for index in range(5):
        reserve(voucher=due[index % 2])
    lapse()
    reserve(voucher=due[0])
    assert sweep_all(batch_size=batch_size)["holdsLapsed"] == 5
    assert sweep_all(batch_size=batch_size)["holdsLapsed"] == 0
    assert stored() == ["lapsed"] * 5 + ["open"]
    assert stored("held", VOUCHERS) == [1, 0]


def test_a_sweep_leaves_holds_whose_voucher_somebody_holds():
    """Whoever is confirming one, say. It waits for nobody."""
    held, free = (create_voucher()["id"] for _ in range(2))
    for voucher in (held, free):
        reserve(voucher=voucher)
    lapse()
    with transaction() as session:
        session.execute(text("SELECT 1 FROM vouchers ORDER BY id LIMIT 1 FOR NO KEY UPDATE"))
        assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1
    assert task_named("expiry.sweep")(request={})["holdsLapsed"] == 1


def test_a_stamp_card_is_not_held():
    """It is granted by the entry that completes it, and at once."""
    voucher = create_voucher(stampCard={"stamps": 2})
    assert reserve(voucher=voucher["id"])["reason"] == "stamp_card_incomplete"


def test_nothing_of_another_project_is_held():
    """The same ids, in two projects."""
    for project in ("gigs", "other"):
        voucher = create_voucher(project=project, **LAST_PLACE)
        hold = reserve(project=project, voucher=voucher["id"], requestId="r1", subscription="sub_1", customer="cus_1")
        assert outcome(hold) == ACCEPTED
    assert reference(hold)["project"] == "other"
