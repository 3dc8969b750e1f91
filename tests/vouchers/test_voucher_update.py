"""Changing vouchers: what stays, what may change and when, and what becomes available again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tasks.vouchers.messages import UpdateVoucher
from tasks.wire.errors import InvalidRequest, NotFound
from tests.support.requests import add_codes, apply, create_voucher, redeem
from tests.support.statements import SCANS, explained
from tests.support.tasks import task_named
from tests.vouchers.test_vouchers import EVERYTHING, in_minutes
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

PAST, FUTURE, LATER = "2026-01-01T00:00:00Z", "2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z"
FIXED = {"amount": 500, "currency": "USD", "currencyOptions": {}}
MONTHS = {"type": "repeating", "durationInMonths": 3}


def update(voucher: str, **fields: Any) -> dict[str, Any]:
    """This function will change those fields of the voucher."""
    answer: dict[str, Any] = task_named("vouchers.update")(request={"project": "gigs", "voucher": voucher, **fields})
    return answer


def retrieve(voucher: str) -> dict[str, Any]:
    """This function will return the voucher as it stands."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    return answer


def errors(voucher: str, **fields: Any) -> list[str]:
    """This function will return the bad fields of an update that is invalid, and see that it changed nothing."""
    before = retrieve(voucher)
    with pytest.raises(InvalidRequest) as refused:
        update(voucher, **fields)
    assert retrieve(voucher) == before
    with transaction() as session:
        assert session.scalar(text("SELECT count(*) FROM write_answers")) == 0
    return [each["field"] for each in refused.value.errors]


def full(**fields: Any) -> str:
    """This function will create a voucher that one redemption fills."""
    voucher = create_voucher(**fields, restrictions={"maximumRedemptions": 1})
    redeem(voucher=voucher["id"])
    return str(voucher["id"])


def expired(**fields: Any) -> str:
    """This function will create a voucher that a sweep retires."""
    voucher = create_voucher(**fields, restrictions={"expiresAt": PAST})
    task_named("expiry.sweep")(request={})
    return str(voucher["id"])


def by_hand(**fields: Any) -> str:
    """This function will create a voucher and retire it."""
    voucher = create_voucher(**fields)
    task_named("vouchers.retire")(request={"project": "gigs", "voucher": voucher["id"]})
    return str(voucher["id"])


def code_of(voucher: str) -> str | None:
    """This function will return the code that the voucher shows."""
    code: str | None = retrieve(voucher)["code"]
    return code


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": "Another"},
        {"code": "WINTER"},
        {"code": None},
        {"metadata": {"campaign": "autumn"}},
        {"metadata": {}},
        {"priceDiscount": {"amount": 1, "currency": "EUR", "currencyOptions": {}}},
        {"recurrence": {"type": "once", "durationInMonths": None, "durationInCycles": None}},
        {"recurrence": {"type": "repeating", "durationInMonths": None, "durationInCycles": 4}},
        {"carryOver": True},
        {"stampCard": {"stamps": 5, "expireDays": None}},
    ],
)
def test_what_is_sent_changes_and_what_is_not_sent_stays(fields):
    """Field by field, and the answer is the voucher as it stands then."""
    before = task_named("vouchers.create")(request=EVERYTHING)
    answer = update(before["id"], **fields)
    assert answer == {**before, **fields} == retrieve(before["id"])


@pytest.mark.parametrize(
    "restrictions",
    [
        {},
        {"startsAt": "2025-01-01T00:00:00Z"},
        {"expiresAt": LATER},
        {"startsAt": "2097-01-01T00:00:00Z", "expiresAt": FUTURE},
        {"maximumRedemptions": 7},
        {"maximumRedemptionsPerCustomer": 7},
        {"products": ["prod_c"]},
        {"minimumSubtotal": {"amount": 1, "currency": "EUR"}},
        {"startsAt": None},
        {"expiresAt": None},
        {"maximumRedemptions": None},
        {"maximumRedemptionsPerCustomer": None},
        {"products": None},
        {"minimumSubtotal": None},
    ],
)
def test_a_restriction_that_is_sent_changes_and_null_takes_it_away(restrictions):
    """The others stay."""
    before = task_named("vouchers.create")(request=EVERYTHING)
    answer = update(before["id"], restrictions=restrictions)
    assert answer == {**before, "restrictions": {**before["restrictions"], **restrictions}} == retrieve(before["id"])


def test_field_names_may_be_in_snake_case():
    """As everywhere."""
    voucher = create_voucher()["id"]
    answer = update(voucher, request_id="r1", price_discount_percentage=30.12, restrictions={"maximum_redemptions": 5})
    assert (answer["priceDiscountPercentage"], answer["restrictions"]["maximumRedemptions"]) == (30.12, 5)


def test_one_kind_of_discount_takes_the_place_of_the_other():
    """Also where the other is sent as null, as a voucher that is sent back whole has it."""
    voucher = create_voucher(priceDiscountPercentage=10)["id"]
    answer = update(voucher, priceDiscount=FIXED)
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (FIXED, None)
    answer = update(voucher, priceDiscountPercentage=12.5, priceDiscount=None)
    assert (answer["priceDiscount"], answer["priceDiscountPercentage"]) == (None, 12.5)
    assert update(voucher, priceDiscount=None) == answer


def test_a_voucher_can_be_sent_back_whole():
    """As it was retrieved, also when it was redeemed: nothing changes."""
    voucher = task_named("vouchers.create")(request=EVERYTHING)["id"]
    redeem(voucher=voucher, currency="USD", products=["prod_a"], subtotal=5000)
    before = retrieve(voucher)
    writable = {name: before[name] for name in EVERYTHING if name != "project"}
    assert update(voucher, **writable, priceDiscountPercentage=None) == before


@pytest.mark.parametrize(
    "fields",
    [
        {"priceDiscount": {**FIXED, "amount": 501}},
        {"priceDiscount": {**FIXED, "currency": "EUR"}},
        {"priceDiscount": {**FIXED, "currencyOptions": {"EUR": 5}}},
        {"priceDiscountPercentage": 10},
        {"recurrence": {"type": "forever"}},
        {"recurrence": {**MONTHS, "durationInMonths": 4}},
        {"recurrence": {"type": "repeating", "durationInCycles": 3}},
        {"carryOver": True},
        {"stampCard": {"stamps": 5}},
        {"name": "Another", "recurrence": {"type": "once"}, "requestId": "r1"},
    ],
)
def test_money_terms_and_recurrence_are_refused_after_the_first_redemption(fields):
    """All of the update is: nothing of it is written. The refusal is stored as any answer is."""
    voucher = create_voucher(priceDiscount=FIXED, recurrence=MONTHS)["id"]
    redeem(voucher=voucher, currency="USD")
    before = retrieve(voucher)
    refusal = {
        "object": "voucher",
        "id": voucher,
        "project": "gigs",
        "requestId": fields.get("requestId"),
        "outcome": "refused",
        "reason": "voucher_already_redeemed",
    }
    assert update(voucher, **fields) == refusal == update(voucher, **fields)
    assert retrieve(voucher) == before


def test_the_currency_that_is_shown_is_a_money_term():
    """Also where all amounts stay the same."""
    voucher = create_voucher(priceDiscount={**FIXED, "currencyOptions": {"EUR": 400}})["id"]
    redeem(voucher=voucher, currency="USD")
    turned = {"amount": 400, "currency": "EUR", "currencyOptions": {"USD": 500}}
    assert update(voucher, priceDiscount=turned)["reason"] == "voucher_already_redeemed"


def test_money_terms_and_recurrence_change_before_the_first_redemption():
    """A refused request is none; what is granted then has the new terms."""
    voucher = create_voucher(priceDiscount=FIXED, recurrence=MONTHS, restrictions={"startsAt": in_minutes(60)})["id"]
    assert redeem(voucher=voucher, currency="USD")["outcome"] == "refused"
    answer = update(voucher, priceDiscountPercentage=50, recurrence={"type": "once"}, restrictions={"startsAt": None})
    assert (answer["priceDiscountPercentage"], answer["recurrence"]["type"]) == (50, "once")
    redeem(voucher=voucher, subscription="sub_1")
    assert apply(subscription="sub_1")["discountTotal"] == 4000


def test_the_same_terms_as_they_stand_pass_after_the_first_redemption():
    """They change nothing; what comes with them does."""
    voucher = create_voucher(priceDiscount={**FIXED, "currencyOptions": {"EUR": 4, "CHF": 5}}, recurrence=MONTHS)["id"]
    redeem(voucher=voucher, currency="USD")
    same = {**FIXED, "currencyOptions": {"CHF": 5, "EUR": 4}}
    assert update(voucher, name="Another", priceDiscount=same, recurrence=MONTHS)["name"] == "Another"


def test_all_the_rest_changes_after_the_first_redemption():
    """Name, code, metadata, dates, limits, products and the minimum."""
    voucher = create_voucher(code="SUMMER")["id"]
    redeem(voucher=voucher)
    restrictions = {
        "startsAt": PAST,
        "expiresAt": LATER,
        "maximumRedemptions": 2,
        "maximumRedemptionsPerCustomer": 1,
        "products": ["prod_a"],
        "minimumSubtotal": {"amount": 1, "currency": "USD"},
    }
    answer = update(voucher, name="n", code="WINTER", metadata={"a": 1}, restrictions=restrictions)
    assert (answer["name"], answer["code"], answer["metadata"]) == ("n", "WINTER", {"a": 1})
    assert answer["restrictions"] == restrictions
    assert redeem(code="SUMMER")["reason"] == "code_retired"
    assert redeem(code="winter", products=["prod_a"], currency="USD", subtotal=1)["outcome"] == "accepted"


def test_limits_and_dates_count_from_the_update_on():
    """What was redeemed before stays as it is, also where it would not be any more."""
    voucher = create_voucher()["id"]
    for _ in range(2):
        assert redeem(voucher=voucher, customer="cus_1")["outcome"] == "accepted"
    update(voucher, restrictions={"maximumRedemptionsPerCustomer": 1})
    assert redeem(voucher=voucher, customer="cus_1")["reason"] == "customer_limit_reached"
    update(voucher, restrictions={"startsAt": in_minutes(60)})
    assert redeem(voucher=voucher)["reason"] == "voucher_not_started"


@pytest.mark.parametrize(
    ("restrictions", "bad"),
    [
        ({"startsAt": "2026-06-01T00:00:00Z"}, "restrictions.startsAt"),
        ({"startsAt": LATER}, "restrictions.startsAt"),
        ({"expiresAt": "2025-06-01T00:00:00Z"}, "restrictions.expiresAt"),
        ({"expiresAt": PAST}, "restrictions.expiresAt"),
        ({"startsAt": LATER, "expiresAt": LATER}, "restrictions.expiresAt"),
    ],
)
def test_the_resulting_window_must_make_sense_whichever_half_was_sent(restrictions, bad):
    """The half that was sent is the wrong one; the end is exclusive."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "expiresAt": "2026-06-01T00:00:00Z"})["id"]
    assert errors(voucher, restrictions=restrictions) == [bad]


def test_a_window_may_move_as_a_whole():
    """Where both halves are sent, neither is compared with what stood before."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "expiresAt": FUTURE})["id"]
    window = {"startsAt": LATER, "expiresAt": "2100-01-01T00:00:00Z"}
    assert update(voucher, restrictions=window)["restrictions"] | window == update(voucher)["restrictions"]


def test_the_limit_is_never_below_what_is_redeemed():
    """And every bad field is told."""
    voucher = create_voucher(restrictions={"startsAt": PAST, "maximumRedemptions": 5})["id"]
    redeem(voucher=voucher), redeem(voucher=voucher)
    restrictions = {"maximumRedemptions": 1, "expiresAt": PAST}
    assert errors(voucher, restrictions=restrictions) == ["restrictions.maximumRedemptions", "restrictions.expiresAt"]


def test_lowering_the_limit_to_what_is_redeemed_retires_the_voucher_as_full():
    """As the redemption that fills it would."""
    voucher = create_voucher()["id"]
    redeem(voucher=voucher)
    answer = update(voucher, restrictions={"maximumRedemptions": 1})
    assert (answer["status"], answer["retiredReason"]) == ("retired", "maxRedemptionsReached")
    assert answer["retiredAt"].endswith("Z")
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"


def test_an_end_in_the_past_retires_the_voucher_as_expired():
    """As the next sweep would; a sweep finds nothing more to do."""
    voucher = create_voucher(code="SUMMER")["id"]
    answer = update(voucher, restrictions={"expiresAt": PAST})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("retired", "expired", PAST)
    assert task_named("expiry.sweep")(request={})["expired"] == 0
    assert create_voucher(code="SUMMER")["status"] == "available"


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"carryOver": True, "recurrence": {"type": "once"}}, ["carryOver"]),
        ({"priceDiscountPercentage": 10}, ["priceDiscountPercentage"]),
        ({"recurrence": {"type": "once"}}, ["recurrence"]),
        ({"priceDiscountPercentage": 10, "recurrence": {"type": "once"}}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": None, "recurrence": {"type": "once"}}, ["recurrence"]),
        ({"priceDiscount": None, "recurrence": MONTHS}, ["priceDiscount", "priceDiscount"]),
    ],
)
def test_a_balance_keeps_what_it_needs_whichever_field_was_sent(fields, bad):
    """An amount and a next invoice. No answer names a field that was not sent."""
    voucher = create_voucher(priceDiscount=FIXED, carryOver=True)
    assert errors(voucher["id"], **fields) == bad


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("expires_at", [None, FUTURE])
def test_a_voucher_that_expired_is_available_again_when_its_end_is_moved(expires_at, swept):
    """Swept or not, it is the same, and it is redeemed by its code again."""
    voucher = create_voucher(code="SUMMER", restrictions={"expiresAt": PAST})["id"]
    if swept:
        task_named("expiry.sweep")(request={})
    answer = update(voucher, restrictions={"expiresAt": expires_at})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("available", None, None)
    assert redeem(code="summer")["voucher"] == voucher


@pytest.mark.parametrize("maximum", [None, 2])
def test_a_voucher_that_was_full_is_available_again_when_its_limit_is_raised(maximum):
    """Until it is full again."""
    voucher = full()
    answer = update(voucher, restrictions={"maximumRedemptions": maximum})
    assert (answer["status"], answer["retiredReason"], answer["retiredAt"]) == ("available", None, None)
    assert redeem(voucher=voucher)["redemptionNumber"] == 2
    assert redeem(voucher=voucher)["reason"] == (maximum and "max_redemptions_reached")


@pytest.mark.parametrize("make", [full, expired, by_hand])
@pytest.mark.parametrize(
    "fields", [{"name": "n"}, {"code": "WINTER"}, {"code": None}, {"restrictions": {"products": ["prod_a"]}}]
)
def test_an_update_that_removes_no_cause_leaves_a_voucher_retired(make, fields):
    """With its reason and its instant."""
    voucher = make(code="SUMMER")
    before = retrieve(voucher)
    after = update(voucher, **fields)
    for name in ("status", "retiredReason", "retiredAt"):
        assert after[name] == before[name]


def test_only_the_cause_itself_counts():
    """A limit does not help what has expired, nor an end what is full; by hand is for good."""
    unlimited = {"maximumRedemptions": None, "expiresAt": None}
    assert update(expired(), restrictions={"maximumRedemptions": 9})["retiredReason"] == "expired"
    assert update(full(), restrictions={"expiresAt": FUTURE})["retiredReason"] == "maxRedemptionsReached"
    retired = by_hand()
    before = retrieve(retired)
    assert update(retired, restrictions=unlimited) == before
    assert redeem(voucher=retired)["reason"] == "voucher_retired"


def test_an_end_that_is_still_past_is_the_instant_of_retirement():
    """`retiredAt` is `expiresAt` for what has expired."""
    answer = update(expired(), restrictions={"expiresAt": "2026-02-01T00:00:00Z"})
    assert (answer["retiredReason"], answer["retiredAt"]) == ("expired", "2026-02-01T00:00:00Z")


def test_what_is_expired_and_full_stays_retired_until_both_are_gone():
    """The reason is then the one that is left."""
    voucher = full()
    assert update(voucher, restrictions={"expiresAt": PAST})["retiredReason"] == "maxRedemptionsReached"
    assert update(voucher, restrictions={"maximumRedemptions": 2})["retiredReason"] == "expired"
    assert update(voucher, restrictions={"maximumRedemptions": 1})["retiredReason"] == "expired"
    assert update(voucher, restrictions={"expiresAt": None})["retiredReason"] == "maxRedemptionsReached"
    assert update(voucher, restrictions={"maximumRedemptions": 2})["status"] == "available"


def test_a_code_belongs_to_one_available_voucher():
    """Without regard to case. Its own is not taken, and may change its spelling."""
    create_voucher(code="WINTER")
    voucher = create_voucher(code="SUMMER")["id"]
    assert errors(voucher, code="winter", name="n") == ["code"]
    assert update(voucher, code="  Summer ")["code"] == "Summer"
    other = create_voucher(project="other", code="AUTUMN")
    assert (update(voucher, code="AUTUMN")["code"], other["code"]) == ("AUTUMN", "AUTUMN")


@pytest.mark.parametrize("swept", [True, False])
def test_a_code_of_an_expired_voucher_is_free(swept):
    """And that one is retired as a sweep would have done it."""
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
    """Or together with another code, or without one."""
    voucher, same = make(code="SUMMER"), make(code="AUTUMN")
    holder = create_voucher(code="summer")["id"]
    assert errors(voucher, restrictions=restrictions) == ["code"]
    assert update(voucher, restrictions=restrictions, code="WINTER")["status"] == "available"
    create_voucher(code="AUTUMN")
    assert update(same, restrictions=restrictions, code=None)["status"] == "available"
    assert redeem(code="SUMMER")["voucher"] == holder


def test_a_retired_voucher_may_carry_a_code_that_another_holds():
    """It holds none itself; the code names the one that can be redeemed."""
    holder = create_voucher(code="SUMMER")["id"]
    assert update(by_hand(), code="SUMMER")["code"] == "SUMMER"
    assert redeem(code="SUMMER")["voucher"] == holder


@pytest.mark.parametrize("swept", [True, False])
def test_a_code_that_has_expired_is_named_before_one_that_is_only_carried(swept):
    """Swept or not: a retired voucher that was given the text since never held it."""
    holder = create_voucher()
    add_codes(holder, {"code": "VIP", "expiresAt": LATER})
    assert update(by_hand(), code="VIP")["code"] == "VIP"
    a_minute_ago = datetime.now(UTC) - timedelta(minutes=1)
    with transaction() as session:
        session.execute(text("UPDATE codes SET expires_at = :at WHERE expires_at IS NOT NULL"), {"at": a_minute_ago})
    if swept:
        task_named("expiry.sweep")(request={})
    late = redeem(code="VIP")
    assert (late["reason"], late["voucher"]) == ("code_expired", holder["id"])
    waited = (a_minute_ago - timedelta(minutes=1)).isoformat()
    assert redeem(code="VIP", requestedAt=waited)["outcome"] == "accepted"


def test_a_voucher_comes_back_whose_text_was_added_to_it_once_more():
    """The text names it already, by the code that holds it."""
    voucher = expired(code="SUMMER")
    add_codes(retrieve(voucher), {"code": "VIP"})
    update(voucher, code="VIP")
    assert update(voucher, restrictions={"expiresAt": None})["status"] == "available"
    assert redeem(code="VIP")["voucher"] == voucher


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"name": None}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"recurrence": None}, ["recurrence"]),
        ({"restrictions": None}, ["restrictions"]),
        ({"metadata": None}, ["metadata"]),
        ({"metadata": {"a": []}}, ["metadata"]),
        ({"code": "a b", "name": 5}, ["name", "code"]),
        ({"priceDiscountPercentage": None}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": None, "priceDiscount": None}, ["priceDiscountPercentage"]),
        ({"priceDiscountPercentage": 10, "priceDiscount": FIXED}, ["priceDiscountPercentage"]),
        ({"recurrence": {"type": "repeating"}}, ["recurrence.durationInMonths"]),
        ({"recurrence": {"durationInMonths": 3}}, ["recurrence.type"]),
        ({"restrictions": {"maximumRedemptions": 0}}, ["restrictions.maximumRedemptions"]),
        ({"restrictions": {"expires": None}}, ["restrictions.expires"]),
        ({"redemptions": 0}, ["redemptions"]),
        ({"status": "available"}, ["status"]),
        ({"requestId": ""}, ["requestId"]),
    ],
)
def test_bad_input_is_told_field_by_field_and_writes_nothing(fields, bad):
    """What cannot be taken away, what does not fit, and what is no field of an update."""
    assert errors(create_voucher()["id"], **fields) == bad


def test_a_fixed_discount_cannot_be_taken_away_either():
    """The field that was sent is the wrong one."""
    assert errors(create_voucher(priceDiscount=FIXED)["id"], priceDiscount=None) == ["priceDiscount"]


def test_what_does_not_exist_is_not_found():
    """Another project's voucher neither."""
    foreign = create_voucher(project="other")["id"]
    for unknown in (foreign, "vou_01m802aq92e78rshs8mnssdx40"):
        with pytest.raises(NotFound):
            update(unknown, name="n", requestId="r1")
    assert task_named("vouchers.retrieve")(request={"project": "other", "voucher": foreign})["name"] != "n"


def test_an_older_update_that_is_sent_again_changes_nothing_and_is_answered_as_then():
    """A newer one came in between."""
    voucher = create_voucher()["id"]
    older = update(voucher, name="older", requestId="r1")
    newer = update(voucher, name="newer", requestId="r2")
    assert update(voucher, name="older", requestId="r1") == older
    assert retrieve(voucher) == newer


def test_an_older_update_that_is_delivered_again_changes_nothing_and_is_answered_as_then():
    """Without a request id it is known by its task's id."""
    voucher = create_voucher()["id"]

    def deliver(name: str, *, task_id: str) -> dict[str, Any]:
        body = {"project": "gigs", "voucher": voucher, "name": name}
        answer: dict[str, Any] = task_named("vouchers.update").apply(kwargs={"request": body}, task_id=task_id).get()
        return answer

    older = deliver("older", task_id="t1")
    newer = deliver("newer", task_id="t2")
    assert deliver("older", task_id="t1") == older
    assert retrieve(voucher) == newer


def test_an_answer_is_replayed_where_the_update_would_be_invalid_by_now():
    """The limit that it set has been passed since, and its code belongs to another."""
    voucher = create_voucher(code="SUMMER")["id"]
    fields = {"code": "WINTER", "restrictions": {"maximumRedemptions": 1}, "requestId": "r1"}
    first = update(voucher, **fields)
    update(voucher, code=None, restrictions={"maximumRedemptions": None})
    create_voucher(code="WINTER")
    redeem(voucher=voucher), redeem(voucher=voucher)
    assert update(voucher, **fields) == first


@pytest.mark.parametrize("other", [{"name": "other"}, {"code": None}, {"restrictions": {"maximumRedemptions": None}}])
def test_the_same_request_id_with_another_body_is_refused_and_the_first_stands(other):
    """What is taken away is another body than what is left alone."""
    voucher = create_voucher(code="SUMMER", restrictions={"maximumRedemptions": 3})["id"]
    first = update(voucher, requestId="r1", name="first")
    assert update(voucher, requestId="r1", **{"name": "first", **other}) == {
        "object": "voucher",
        "id": voucher,
        "project": "gigs",
        "requestId": "r1",
        "outcome": "refused",
        "reason": "idempotency_conflict",
    }
    assert retrieve(voucher) == first


def test_a_request_id_names_one_voucher():
    """The same change of another one is another body; even of one that does not exist."""
    one, other = create_voucher()["id"], create_voucher()["id"]
    update(one, requestId="r1", name="n")
    for each in (other, "vou_01m802aq92e78rshs8mnssdx40"):
        assert update(each, requestId="r1", name="n")["reason"] == "idempotency_conflict"
    assert retrieve(other)["name"] != "n"


def test_a_request_id_of_a_creation_is_none_of_an_update():
    """Each task has its own."""
    voucher = create_voucher(requestId="r1")["id"]
    assert update(voucher, requestId="r1", name="n")["name"] == "n"


def test_fingerprints_stay_what_they_were_when_they_were_stored():
    """The same meaning has the same one; null is not the same as nothing."""
    body = {"project": "gigs", "voucher": "vou_01m802aq92e78rshs8mnssdx40", "requestId": "r1"}
    full_body = {
        **body,
        "name": "n",
        "code": None,
        "priceDiscount": {"amount": 1, "currency": "USD"},
        "recurrence": MONTHS,
        "restrictions": {"expiresAt": None, "maximumRedemptions": 3, "products": ["a"]},
        "metadata": {"a": 1},
    }
    spelt = full_body | {"recurrence": {"duration_in_months": 3, "type": "repeating"}}
    first, again, pinned = (UpdateVoucher.model_validate(each).fingerprint() for each in (body, body, full_body))
    assert UpdateVoucher.model_validate(spelt).fingerprint() == pinned
    assert first == again
    nulls: list[dict[str, Any]] = [
        {"code": None},
        {"restrictions": {"expiresAt": None}},
        {"restrictions": {"startsAt": None}},
    ]
    prints = {UpdateVoucher.model_validate(body | each).fingerprint() for each in [{}, *nulls]}
    assert len(prints) == 4
    assert pinned.hex() == "54c00b28b2ab75fdd0c6658b6c410bb4cca42648cfdf0b648d3433681a3bacd3"


@pytest.mark.parametrize("known", ["nothing", "everything"])
def test_no_statement_of_an_update_reads_a_table(known):
    """Whatever the statistics say."""
    codes = [create_voucher(code=f"CODE-{index}")["id"] for index in range(40)]
    if known == "everything":
        with transaction() as session:
            session.execute(text("ANALYZE vouchers, write_answers"))
    with explained() as plans:
        update(codes[0], code="WINTER", requestId="r1")
        update(codes[0], code="WINTER", requestId="r1")
    assert len(plans) > 10
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
