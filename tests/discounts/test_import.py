"""`discounts.import`: a discount that ran in another system runs on here from where it was."""

import hashlib
from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.stripe import import_coupon
from tests.support.changes import extend, kinds, move, shown
from tests.support.endings import end, end_subscription
from tests.support.holds import reserve
from tests.support.imports import (
    BALANCE,
    FEBRUARY,
    JANUARY,
    ONE_CYCLE,
    THREE_MONTHS,
    TWO_CYCLES,
    import_discount,
)
from tests.support.requests import apply, create_voucher, redeem
from tests.support.reversals import APRIL, MARCH, MAY, refund, reverse
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

FULL: dict[str, Any] = {"max_redemptions": 3, "times_redeemed": 3, "valid": False}
PERIODS = (FEBRUARY, MARCH, APRIL, MAY)
UNKNOWN = "vou_01m802aq92e78rshs8mnssdx40"


def amounts(*periods: dict[str, str], **fields: Any) -> list[int]:
    """Return the discount of an invoice for each period."""
    return [apply(period=each, **fields)["discountTotal"] for each in periods]


def request_id_of(ref: str) -> str:
    """Return the request id of the redemption of an imported discount."""
    return f"import-{hashlib.sha256(ref.encode()).hexdigest()}"


def retrieved(voucher: str) -> dict[str, Any]:
    """Return the voucher as it is now."""
    answer: dict[str, Any] = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    return answer


def test_a_customer_in_month_two_of_three_has_two_months_more():
    """The coupon was redeemed three of three times. It stays full, and the customer is one of the three."""
    voucher = import_coupon(**FULL)["id"]
    first = import_discount(voucher, **ONE_CYCLE)
    assert first["outcome"] == "imported"
    assert (first["status"], first["fullPriceFrom"], first["redemptionNumber"]) == ("running", "2027-04-01", 1)
    assert import_discount(voucher, **ONE_CYCLE) == first
    assert amounts(*PERIODS) == [2040, 2040, 0, 0]
    assert import_discount(voucher, **ONE_CYCLE) == first
    kept = retrieved(voucher)
    assert (kept["redemptions"], kept["retiredReason"]) == (3, "maxRedemptionsReached")
    assert redeem(voucher=voucher)["reason"] == "max_redemptions_reached"


def test_the_imported_places_are_taken_one_after_the_other_and_then_new_ones():
    """A full voucher has no new place."""
    voucher = import_coupon(max_redemptions=3, times_redeemed=2)["id"]
    answers = [import_discount(voucher, ref=f"di_{number}", subscription=f"sub_{number}") for number in range(4)]
    assert [each["redemptionNumber"] for each in answers] == [1, 2, 3, None]
    assert answers[3]["reason"] == "max_redemptions_reached"
    assert (retrieved(voucher)["redemptions"], retrieved(voucher)["status"]) == (3, "retired")


def test_a_redemption_here_does_not_take_an_imported_place():
    """Both are counted, each by itself."""
    voucher = import_coupon(times_redeemed=1)["id"]
    assert redeem(voucher=voucher)["redemptionNumber"] == 2
    assert import_discount(voucher)["redemptionNumber"] == 1
    assert import_discount(voucher, ref="di_2", subscription="sub_2")["redemptionNumber"] == 3
    assert redeem(voucher=voucher)["redemptionNumber"] == 4


@pytest.mark.parametrize("fields", [{"redeem_by": 1_700_000_000}, {"valid": False}])
def test_an_expired_or_withdrawn_voucher_has_only_its_imported_places(fields):
    """Discounts that run are not touched by that, in the other system either."""
    voucher = import_coupon(times_redeemed=1, **fields)["id"]
    assert import_discount(voucher, **ONE_CYCLE)["outcome"] == "imported"
    reason = "voucher_expired" if "redeem_by" in fields else "voucher_retired"
    assert import_discount(voucher, ref="di_2", subscription="sub_2")["reason"] == reason


def test_the_limits_of_a_customer_were_judged_elsewhere():
    """But later redemptions here count the imported ones."""
    limited = {
        "maximumRedemptionsPerCustomer": 1,
        "products": ["pro"],
        "minimumSubtotal": {"amount": 1, "currency": "USD"},
    }
    voucher = create_voucher(restrictions=limited)["id"]
    for number in (1, 2):
        answer = import_discount(voucher, ref=f"di_{number}", subscription=f"sub_{number}")
        assert answer["outcome"] == "imported"
    wanted = {"voucher": voucher, "customer": "cus_1", "products": ["pro"], "currency": "USD", "subtotal": 100}
    assert redeem(**wanted)["reason"] == "customer_limit_reached"


def test_a_discount_for_ever_goes_on_and_on():
    """Its cycles are counted on."""
    import_discount(**TWO_CYCLES)
    assert [apply(period=each)["discounts"][0]["cycle"] for each in (MARCH, APRIL)] == [3, 4]


def test_a_discount_in_cycles_has_the_cycles_that_are_left():
    """Of three cycles, two were had elsewhere."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInCycles": 3})["id"]
    assert import_discount(voucher, **TWO_CYCLES)["fullPriceFrom"] is None
    assert amounts(MARCH, APRIL) == [800, 0]
    assert shown(import_discount(voucher, **TWO_CYCLES)["discount"])["fullPriceFrom"] == "2027-04-01"


def test_a_discount_that_has_begun_nowhere_begins_here():
    """Its window begins with the first invoice here."""
    voucher = create_voucher(**THREE_MONTHS)["id"]
    assert import_discount(voucher)["fullPriceFrom"] is None
    assert amounts(*PERIODS) == [800, 800, 800, 0]


def test_a_once_discount_is_used_here_or_was_used_elsewhere():
    """One that was used is imported as completed, because it is one of the redemptions."""
    voucher = create_voucher(recurrence={"type": "once"})["id"]
    used = import_discount(voucher, ref="di_used", subscription="sub_used", **ONE_CYCLE)
    assert (used["outcome"], used["status"], used["fullPriceFrom"]) == ("imported", "completed", "2027-02-01")
    assert amounts(FEBRUARY, subscription="sub_used") == [0]
    assert import_discount(voucher)["status"] == "running"
    assert amounts(FEBRUARY, MARCH) == [800, 0]


def test_what_is_over_stands_in_nobodys_way():
    """The voucher can be redeemed on the subscription again."""
    voucher = create_voucher(recurrence={"type": "once"})["id"]
    import_discount(voucher, **ONE_CYCLE)
    assert redeem(voucher=voucher, subscription="sub_1")["outcome"] == "accepted"
    assert import_discount(voucher, ref="di_2", **ONE_CYCLE)["status"] == "completed"


def test_a_balance_has_what_is_left_of_it():
    """Of 100.00, 30.00 were taken elsewhere."""
    voucher = create_voucher(**BALANCE)["id"]
    import_discount(voucher, **ONE_CYCLE, taken={"USD": 3_000})
    answer = apply(period=FEBRUARY, lines=[{"id": "base", "amount": 5_000}])
    assert (answer["discountTotal"], answer["discounts"][0]["debitBalance"]) == (5_000, 2_000)
    answer = apply(period=MARCH)
    assert (answer["discountTotal"], answer["discounts"][0]["debitBalance"]) == (2_000, 0)


def test_a_balance_that_is_used_up_is_completed():
    """Nothing is left to take."""
    voucher = create_voucher(**BALANCE)["id"]
    assert import_discount(voucher, **ONE_CYCLE, taken={"USD": 10_000})["status"] == "completed"
    assert amounts(FEBRUARY) == [0]


def test_a_budget_has_what_is_left_of_it():
    """Of 20.00, 15.00 were taken elsewhere. More than the budget was never taken."""
    voucher = create_voucher(budget={"amount": 2_000, "currency": "USD"})["id"]
    import_discount(voucher, **ONE_CYCLE, taken={"USD": 1_500})
    assert (retrieved(voucher)["spent"], retrieved(voucher)["left"]) == ({"USD": 1_500}, {"USD": 500})
    second = {"ref": "di_2", "subscription": "sub_2", **ONE_CYCLE}
    assert import_discount(voucher, **second, taken={"USD": 501})["reason"] == "budget_spent"
    assert import_discount(voucher, **second, taken={"EUR": 1})["reason"] == "currency_mismatch"
    assert import_discount(voucher, **second)["outcome"] == "imported"
    assert amounts(FEBRUARY) == [500]


def test_a_cycle_of_elsewhere_counts_once():
    """Another invoice of such a cycle is no new one. Of a fixed amount, nothing is left in it."""
    percentage = create_voucher(recurrence={"type": "repeating", "durationInCycles": 3})["id"]
    fixed = create_voucher(priceDiscount={"amount": 500, "currency": "USD"})["id"]
    import_discount(percentage, **TWO_CYCLES)
    import_discount(fixed, ref="di_2", subscription="sub_2", **TWO_CYCLES)
    assert amounts(JANUARY, FEBRUARY, MARCH, FEBRUARY, APRIL) == [800, 800, 800, 800, 0]
    answer = apply(period=FEBRUARY, subscription="sub_2")
    assert [each["reason"] for each in answer["skipped"]] == ["nothing_left"]
    assert amounts(MARCH, subscription="sub_2") == [500]


def test_a_void_here_gives_back_only_what_was_had_here():
    """The cycles of elsewhere stay."""
    voucher = create_voucher(**THREE_MONTHS)["id"]
    discount = import_discount(voucher, **ONE_CYCLE)["discount"]
    apply(invoice="inv_1", period=FEBRUARY)
    reverse("inv_1")
    after = shown(discount)
    assert (after["cycles"], after["firstCycleStart"], after["fullPriceFrom"]) == (1, "2027-01-01", "2027-04-01")
    assert amounts(*PERIODS) == [800, 800, 0, 0]


def test_a_void_leaves_another_invoice_in_a_cycle_of_elsewhere():
    """That cycle is not counted again when the progress is computed anew."""
    discount = import_discount(**TWO_CYCLES)["discount"]
    apply(period=FEBRUARY)
    apply(invoice="inv_1", period=MARCH)
    reverse("inv_1")
    assert shown(discount)["cycles"] == 2


def test_a_void_gives_a_balance_back_without_what_was_taken_elsewhere():
    """The balance runs again with the rest."""
    voucher = create_voucher(**BALANCE)["id"]
    discount = import_discount(voucher, **ONE_CYCLE, taken={"USD": 9_000})["discount"]
    apply(invoice="inv_1", period=FEBRUARY)
    assert shown(discount)["status"] == "completed"
    reverse("inv_1")
    assert shown(discount)["status"] == "running"
    assert amounts(MARCH, APRIL) == [1_000, 0]


def test_a_refund_in_full_leaves_the_customers_place_taken():
    """The invoices of elsewhere were not refunded."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 1})["id"]
    import_discount(voucher, **ONE_CYCLE)
    apply(invoice="inv_1")
    refund("inv_1", "r1", base=8_000)
    assert redeem(voucher=voucher, customer="cus_1")["reason"] == "customer_limit_reached"


@pytest.mark.parametrize(("fields", "returned"), [({}, 1), (ONE_CYCLE, 0)])
def test_the_end_of_a_subscription_returns_what_never_took_effect(fields, returned):
    """What was discounted elsewhere has taken effect."""
    voucher = import_coupon(times_redeemed=1)["id"]
    import_discount(voucher, **fields)
    assert end_subscription()["placesReturned"] == returned
    assert retrieved(voucher)["redemptions"] == 1 - returned


def test_an_imported_discount_is_moved_extended_and_ended():
    """Its history begins with the import."""
    discount = import_discount(create_voucher(**THREE_MONTHS)["id"], **TWO_CYCLES, actor="mig")["discount"]
    assert extend(discount, months=1)["fullPriceFrom"] == "2027-05-01"
    move(discount)
    end(discount)
    history = shown(discount)["history"]
    assert kinds(shown(discount)) == ["ended", "moved", "extended", "imported"]
    assert (history[-1]["actor"], shown(discount)["createdAt"]) == ("mig", "2026-03-01T12:00:00Z")


def test_discounts_are_applied_in_the_order_redeemed_wherever_they_were():
    """The imported one was redeemed earlier."""
    redeem(voucher=create_voucher(priceDiscountPercentage=50)["id"], subscription="sub_1", startsOn="2027-01-01")
    imported = import_discount()["discount"]
    answer = apply()
    assert answer["discounts"][0]["discount"] == imported
    assert answer["discountTotal"] == 800 + 3_600


def test_the_same_reference_with_another_body_is_a_conflict():
    """Whoever sends it."""
    voucher = create_voucher()["id"]
    first = import_discount(voucher, actor="anna")
    assert import_discount(voucher, actor="bert") == first
    assert import_discount(voucher, customer="cus_2")["reason"] == "idempotency_conflict"
    assert import_discount(voucher, project="other")["reason"] == "voucher_not_found"


def test_a_refusal_is_not_stored():
    """The reference can be imported when the reason is gone."""
    assert import_discount(UNKNOWN)["reason"] == "voucher_not_found"
    voucher = create_voucher()["id"]
    discount = redeem(voucher=voucher, subscription="sub_1")["discount"]
    assert import_discount(voucher)["reason"] == "already_applied"
    end(discount)
    assert import_discount(voucher)["outcome"] == "imported"


def test_twenty_discounts_are_the_most_on_a_subscription():
    """As for redemptions."""
    for _ in range(20):
        redeem(voucher=create_voucher()["id"], subscription="sub_1")
    assert import_discount()["reason"] == "discount_limit_reached"


def test_a_held_place_is_kept():
    """The last place of a voucher, or the voucher on the subscription. The refusal may pass."""
    voucher = create_voucher(restrictions={"maximumRedemptions": 1})["id"]
    reserve(voucher=voucher)
    answer = import_discount(voucher)
    assert (answer["reason"], answer["retryable"]) == ("fully_reserved", True)
    other = create_voucher()["id"]
    reserve(voucher=other, subscription="sub_1")
    assert import_discount(other)["reason"] == "fully_reserved"


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({"cycles": 1}, {"cycles"}),
        ({"firstCycleStart": "2027-01-01"}, {"cycles", "lastCycle"}),
        ({**ONE_CYCLE, "lastCycle": None}, {"lastCycle"}),
        ({**ONE_CYCLE, "lastCycle": FEBRUARY}, {"lastCycle"}),
        ({**TWO_CYCLES, "lastCycle": JANUARY}, {"lastCycle"}),
        ({**TWO_CYCLES, "cycles": 33}, {"lastCycle"}),
        ({**TWO_CYCLES, "cycles": 100_001}, {"cycles"}),
        ({"lastCycle": {"start": "2027-02-01", "end": "2027-02-01"}}, {"lastCycle.end"}),
        ({"taken": {"USD": 0, "XXY": 1}}, {"taken.USD", "taken.?.[key]"}),
        ({"redeemedAt": "2999-01-01T00:00:00Z"}, {"redeemedAt"}),
        ({"ref": ""}, {"ref"}),
    ],
)
def test_every_bad_field_is_named(fields, bad):
    """The cycles have to agree, and nothing was redeemed in the future."""
    with pytest.raises(InvalidRequest) as error:
        import_discount(**fields)
    assert {each["field"] for each in error.value.errors} == bad


@pytest.mark.parametrize(
    ("terms", "fields", "bad"),
    [
        ({"recurrence": {"type": "once"}}, TWO_CYCLES, "cycles"),
        ({"recurrence": {"type": "repeating", "durationInCycles": 1}}, TWO_CYCLES, "cycles"),
        ({"recurrence": {"type": "repeating", "durationInMonths": 1}}, TWO_CYCLES, "lastCycle.start"),
        (BALANCE, {"taken": {"USD": 10_001}}, "taken"),
    ],
)
def test_what_the_voucher_rules_out_is_a_bad_field(terms, fields, bad):
    """The discount cannot have been one of this voucher."""
    with pytest.raises(InvalidRequest) as error:
        import_discount(create_voucher(**terms)["id"], **fields)
    assert [each["field"] for each in error.value.errors] == [bad]


def test_the_redemption_is_retrieved_by_the_digest_of_the_reference():
    """A redemption under such an id is another request."""
    imported = import_discount()
    answer = task_named("redemptions.retrieve")(request={"project": "gigs", "requestId": request_id_of("di_1")})
    assert answer["discount"] == imported["discount"]
    taken = redeem(voucher=create_voucher()["id"], requestId=request_id_of("di_2"))
    assert taken["outcome"] == "accepted"
    assert import_discount(ref="di_2", subscription="sub_2")["reason"] == "idempotency_conflict"


def test_a_preview_goes_on_from_where_the_discount_was():
    """It says what the invoices will say, and from when on the full price applies."""
    import_discount(create_voucher(**THREE_MONTHS)["id"], **ONE_CYCLE)
    plan = {"interval": "month", "anchor": "2027-01-01", "currency": "USD", "lines": [{"id": "base", "amount": 8_000}]}
    body = {"project": "gigs", "subscription": "sub_1", "periods": 4, "from": "2027-02-01", "plan": plan}
    answer = task_named("billing.preview")(request=body)
    assert [each["discountTotal"] for each in answer["periods"]] == amounts(*PERIODS) == [800, 800, 0, 0]
    assert answer["fullPriceFrom"] == "2027-04-01"


def test_a_period_inside_the_last_cycle_of_elsewhere_is_noticed():
    """Its sender may have forgotten the cycle. A moved discount has no cycle of its new subscription."""
    inside = {"start": "2027-01-16", "end": "2027-02-01"}
    discount = import_discount(**ONE_CYCLE)["discount"]
    assert apply(period=inside)["notices"] == ["period_inside_cycle"]
    move(discount)
    assert apply(period=inside, subscription="sub_2")["notices"] == []


def test_an_erased_customer_stays_erased():
    """A repetition is a conflict then, and imports nothing."""
    voucher = create_voucher()["id"]
    discount = import_discount(voucher, **ONE_CYCLE)["discount"]
    task_named("customers.erase")(request={"project": "gigs", "customer": "cus_1"})
    shown_now = task_named("discounts.retrieve")(request={"project": "gigs", "discount": discount})
    assert shown_now["customer"].startswith("erased_")
    assert import_discount(voucher, **ONE_CYCLE)["reason"] == "idempotency_conflict"


def test_an_imported_discount_is_listed_among_the_redemptions():
    """By customer, subscription and voucher, with the code that the voucher shows."""
    voucher = import_coupon(times_redeemed=1)
    imported = import_discount(voucher["id"])
    for owner in ({"customer": "cus_1"}, {"subscription": "sub_1"}, {"voucher": voucher["id"]}, {}):
        (item,) = task_named("redemptions.list")(request={"project": "gigs", **owner})["items"]
        assert (item["discount"], item["redemptionNumber"], item["code"]) == (imported["discount"], 1, voucher["code"])
        assert (item["requestId"], item["outcome"]) == (request_id_of("di_1"), "accepted")
