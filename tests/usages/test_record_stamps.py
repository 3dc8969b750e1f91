"""Collect stamps: the entry that completes a card grants the discount, and its surplus opens the next card."""

import pytest
from sqlalchemy import func, select, text

from models.discounts.discount import DISCOUNTS
from tests.support.administrator import as_administrator
from tests.support.requests import apply, create_voucher, record, redeem, usage
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def card(stamps: int = 10, *, expire_days: int | None = None, **fields) -> str:
    """Create a voucher with a stamp card, and return its id."""
    answer = create_voucher(**{"stampCard": {"stamps": stamps, "expireDays": expire_days}, **fields})
    return str(answer["id"])


def granted() -> int:
    """Count the discounts."""
    with transaction() as session:
        return session.execute(select(func.count()).select_from(DISCOUNTS)).scalar_one()


def age(days: int) -> None:
    """Make all recorded entries that many days older, which no use case can."""
    with as_administrator() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(
            text("UPDATE usage_records SET created_at = created_at - make_interval(days => :days)"), {"days": days}
        )


def test_a_voucher_shows_its_card():
    """With the days, or with null for stamps that do not expire."""
    for expire_days in (90, None):
        voucher = create_voucher(stampCard={"stamps": 10, "expireDays": expire_days})
        assert voucher["stampCard"] == {"stamps": 10, "expireDays": expire_days}
        assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher["id"]}) == voucher
    assert create_voucher()["stampCard"] is None


def test_the_entry_that_completes_a_card_grants_the_discount():
    """The answer has the redemption, which can be retrieved too. The next invoice is discounted."""
    voucher = card(3)
    for stamps in (1, 2):
        answer = record(voucher=voucher, stamp=1, subscription="sub_1")
        assert (answer["currentStamp"], answer["redemption"]) == (stamps, None)
    answer = record(voucher=voucher, stamp=1, subscription="sub_1")
    redemption = answer["redemption"]
    assert (answer["outcome"], answer["currentStamp"]) == ("recorded", 0)
    assert (redemption["outcome"], redemption["redemptionNumber"]) == ("accepted", 1)
    assert (redemption["customer"], redemption["subscription"], redemption["voucher"]) == ("cus_1", "sub_1", voucher)
    reference = {"project": "gigs", "requestId": redemption["requestId"]}
    assert task_named("redemptions.retrieve")(request=reference) == redemption
    assert apply()["discounts"][0]["discount"] == redemption["discount"]


def test_surplus_stamps_open_the_next_card():
    """8 and 5 stamps on a card of 10 grant a discount and leave 3 stamps. 7 more grant the second discount."""
    voucher = card()
    answers = [record(voucher=voucher, stamp=stamp) for stamp in (8, 5, 7)]
    assert [answer["currentStamp"] for answer in answers] == [8, 3, 0]
    assert [bool(answer["redemption"]) for answer in answers] == [False, True, True]
    assert granted() == 2


def test_without_a_subscription_the_purchase_itself_gets_the_discount():
    """The reference of the entry names the purchase."""
    answer = record(voucher=card(2), stamp=2, ref="receipt-free")
    assert answer["redemption"]["subscription"] == "receipt-free"


def test_a_redelivery_changes_nothing():
    """No stamps and no discounts are added, before and after the card is complete."""
    voucher = card(3)
    requests = [usage(voucher=voucher, stamp=2, subscription=f"sub_{index}") for index in range(3)]
    answers = [task_named("usages.record")(request=each) for each in requests]
    assert [task_named("usages.record")(request=each) for each in (*requests, *reversed(requests))] == [
        *answers,
        *reversed(answers),
    ]
    assert [answer["currentStamp"] for answer in answers] == [2, 1, 0]
    assert granted() == 2


def test_each_customer_has_a_card_of_their_own():
    """And a card for each voucher."""
    one, other = card(), card()
    record(voucher=one, stamp=9)
    assert record(voucher=one, stamp=1, customer="cus_2")["currentStamp"] == 1
    assert record(voucher=other, stamp=1)["currentStamp"] == 1


def test_a_voucher_with_a_card_cannot_be_redeemed_directly():
    """Neither by id nor by code, before and after the card is complete."""
    voucher = card(2, code="COFFEE")
    assert redeem(voucher=voucher, customer="cus_1")["reason"] == "stamp_card_incomplete"
    record(voucher=voucher, stamp=2)
    assert redeem(code="COFFEE", customer="cus_1")["reason"] == "stamp_card_incomplete"
    assert granted() == 1


def test_the_redemption_of_a_card_says_whether_it_is_retryable():
    """Also in the stored answer of an entry from before the answers said so."""
    voucher = card(2)
    request = usage(voucher=voucher, stamp=2)
    first = task_named("usages.record")(request=request)
    assert first["redemption"]["retryable"] is False
    with as_administrator() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        session.execute(text("UPDATE usage_records SET answer = (answer::jsonb #- '{redemption,retryable}')::json"))
    assert task_named("usages.record")(request=request) == first


def test_stamps_stay_collected_if_the_grant_is_refused():
    """The answer has the reason. Each later entry tries again and uses at most a card."""
    voucher = card(3)
    assert record(voucher=voucher, stamp=3, subscription="sub_1")["redemption"]["outcome"] == "accepted"
    refused = record(voucher=voucher, stamp=3, subscription="sub_1")
    assert (refused["outcome"], refused["currentStamp"]) == ("recorded", 3)
    assert (refused["redemption"]["outcome"], refused["redemption"]["reason"]) == ("refused", "already_applied")
    answers = [record(voucher=voucher, stamp=2, subscription=f"sub_{number}") for number in (2, 3)]
    assert [answer["currentStamp"] for answer in answers] == [2, 1]
    assert [bool(answer["redemption"]) for answer in answers] == [True, True]
    assert granted() == 3


@pytest.mark.parametrize(
    ("voucher", "fields", "reason"),
    [
        ({"restrictions": {"products": ["coffee"]}}, {"products": ["tea"]}, "product_not_eligible"),
        ({"restrictions": {"firstPurchaseOnly": True}}, {"products": ["coffee"]}, "not_first_purchase"),
        ({"priceDiscount": {"amount": 300, "currency": "USD"}}, {}, "currency_mismatch"),
        (
            {"restrictions": {"minimumSubtotal": {"amount": 500, "currency": "USD"}}},
            {"currency": "USD", "subtotal": 499},
            "minimum_subtotal_not_met",
        ),
    ],
)
def test_a_card_is_redeemed_by_the_vouchers_own_rules(voucher, fields, reason):
    """The entry has the fields of a redemption that these rules need."""
    created = card(2, **voucher)
    assert record(voucher=created, stamp=2, **fields)["redemption"]["reason"] == reason
    eligible = {"products": ["coffee"], "currency": "USD", "subtotal": 500, "isFirstPurchase": True}
    answer = record(voucher=created, stamp=1, subscription="sub_1", startsOn="2027-02-01", **eligible)
    assert (answer["redemption"]["outcome"], answer["currentStamp"]) == ("accepted", 1)
    early = apply(period={"start": "2027-01-01", "end": "2027-02-01"})
    assert early["skipped"][0]["reason"] == "before_start"


def test_a_customers_limit_holds_and_stamps_stay():
    """The limit is 1, so the second card waits."""
    voucher = card(2, restrictions={"maximumRedemptionsPerCustomer": 1})
    record(voucher=voucher, stamp=2)
    refused = record(voucher=voucher, stamp=2)
    assert (refused["redemption"]["reason"], refused["currentStamp"]) == ("customer_limit_reached", 2)


def test_the_card_that_fills_a_voucher_retires_it_and_it_takes_no_more_stamps():
    """As a redemption does."""
    voucher = card(2, restrictions={"maximumRedemptions": 1})
    record(voucher=voucher, stamp=2)
    after = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    assert (after["retiredReason"], after["redemptions"]) == ("maxRedemptionsReached", 1)
    assert record(voucher=voucher, stamp=1)["reason"] == "max_redemptions_reached"


def test_stamps_expire():
    """90 days after they were recorded. The rest still counts for the next card."""
    voucher = card(3, expire_days=90)
    record(voucher=voucher, stamp=2)
    age(90)
    assert record(voucher=voucher, stamp=1)["currentStamp"] == 1
    age(89)
    assert record(voucher=voucher, stamp=1)["currentStamp"] == 2
    assert record(voucher=voucher, stamp=1)["redemption"]["outcome"] == "accepted"


def test_an_entry_without_stamps_shows_the_card_and_completes_nothing():
    """Also while a complete card waits for its grant."""
    voucher = card(2, restrictions={"maximumRedemptionsPerCustomer": 1})
    record(voucher=voucher, stamp=2)
    record(voucher=voucher, stamp=2)
    answer = record(voucher=voucher, usage=1)
    assert (answer["currentStamp"], answer["redemption"]) == (2, None)


def test_stamps_stay_in_order_when_the_clock_is_set_back():
    """A new entry always follows the entries before it."""
    voucher = card(2, expire_days=10)
    record(voucher=voucher, stamp=1)
    age(-1)
    answers = [record(voucher=voucher, stamp=stamp) for stamp in (2, 1, 1)]
    assert [answer["currentStamp"] for answer in answers] == [1, 0, 1]
    with transaction() as session:
        order = session.execute(text("SELECT stamp FROM usage_records ORDER BY created_at")).scalars().all()
    assert order == [1, 2, 1, 1]
