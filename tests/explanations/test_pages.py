"""The bounds of an explanation: pages of each list, as many statements for any number of rows, and one project."""

import json
from typing import Any

import pytest

from tasks.support.evidence import ENTRIES_MAX
from tasks.support.messages import EXPLAINED
from tasks.wire.errors import InvalidRequest
from tests.explanations.calls import explained
from tests.support.changes import move
from tests.support.endings import end
from tests.support.holds import release, reserve
from tests.support.requests import add_codes, apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import refund
from tests.support.statements import counted
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

NO_VOUCHER = "vou_01m80jhp2gen0s4fxq6tp9p4dj"
HERE = {"customer": "cus_1", "subscription": "sub_1"}
POSITIONS = {
    "requests": ("requestsBefore", "moreRequestsBefore"),
    "holds": ("holdsBefore", "moreHoldsBefore"),
    "discounts": ("discountsBefore", "moreDiscountsBefore"),
}


def pages(name: str, **fields: Any) -> list[list[str]]:
    """Return the request ids or ids on each page of a list, from the newest page to the oldest."""
    before, more = POSITIONS[name]
    found, position = [], None
    while True:
        answer = explained(**fields, **({before: position} if position else {}))
        found.append([each.get("requestId") or each["id"] for each in answer[name]])
        position = answer[more]
        if position is None:
            return found


@pytest.mark.slow
def test_ten_thousand_refusals_make_a_short_answer():
    """The newest page is answered, and every request can be reached."""
    for first in range(0, 10_000, 1_000):
        requests = [redemption(voucher=NO_VOUCHER, requestId=f"order-{first + each}", **HERE) for each in range(1_000)]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    answer = explained(customer="cus_1")
    assert len(json.dumps(answer)) < 20_000
    assert (len(answer["requests"]), answer["finding"]) == (EXPLAINED, "only_refused")
    found = pages("requests", customer="cus_1", limit=200)
    assert len(found) == 50
    assert [each for page in reversed(found) for each in page] == [f"order-{each}" for each in range(10_000)]


@pytest.mark.parametrize("subject", [{"customer": "cus_1"}, {"subscription": "sub_1"}, {"invoice": "inv_1"}])
def test_pages_of_each_list_follow_each_other_to_the_oldest(subject):
    """Each is in the order of time, so the first item of a page follows the last of the next one."""
    apply(invoice="inv_1")
    discounts: list[str] = []
    holds: list[dict[str, Any]] = []
    for _ in range(7):
        discounts.append(redeem(voucher=create_voucher()["id"], **HERE)["discount"])
        end(discounts[-1])
        holds.append(reserve(voucher=create_voucher()["id"], requestId=f"hold-{len(holds)}", **HERE))
        release(holds[-1])
        holds.append(reserve(code="TYPO", requestId=f"hold-{len(holds)}", **HERE))
    assert pages("discounts", **subject, limit=3) == [discounts[4:], discounts[1:4], discounts[:1]]
    asked = [each["requestId"] for each in explained(**subject, limit=200)["requests"]]
    assert pages("requests", **subject, limit=3) == [asked[4:], asked[1:4], asked[:1]]
    held = [each["requestId"] for each in holds]
    assert pages("holds", **subject, limit=5) == [held[9:], held[4:9], held[:4]]
    assert pages("holds", **subject, limit=14) == [held]


def test_a_request_of_both_the_customer_and_the_subscription_is_shown_once():
    """An invoice is explained by both."""
    granted = redeem(voucher=create_voucher()["id"], **HERE, startsOn="2027-01-01")
    reserve(code="TYPO", **HERE)
    apply(invoice="inv_1")
    answer = explained(invoice="inv_1")
    assert [each["id"] for each in answer["requests"]] == [granted["id"]]
    assert [each["id"] for each in answer["discounts"]] == [granted["discount"]]
    assert len(answer["holds"]) == 1
    assert answer["elsewhere"] == []
    assert len(answer["discounts"][0]["entries"]) == 1


def test_the_newest_entries_of_a_discount_are_shown():
    """The sums are those of all entries."""
    redeem(voucher=create_voucher()["id"], **HERE, startsOn="2027-01-01")
    invoices = [invoice(invoice=f"inv_{number}") for number in range(ENTRIES_MAX + 5)]
    task_named("billing.apply_many")(request={"invoices": invoices})
    for number in (23, 24):
        refund(f"inv_{number}", f"refund-{number}", base=1_000)
    (discount,) = explained(customer="cus_1")["discounts"]
    assert (len(discount["entries"]), discount["moreEntries"]) == (ENTRIES_MAX, True)
    assert [each["kind"] for each in discount["entries"][-3:]] == ["applied", "refunded", "refunded"]
    assert discount["given"] == {"USD": 25 * 800 - 200}


def test_elsewhere_has_the_newest_discounts_of_other_subscriptions():
    """A customer with many subscriptions, of which the invoice is one."""
    others = [redeem(voucher=create_voucher()["id"], customer="cus_1")["discount"] for _ in range(5)]
    apply(invoice="inv_1")
    answer = explained(invoice="inv_1", limit=3)
    assert ([each["id"] for each in answer["elsewhere"]], answer["moreElsewhere"]) == (others[2:], True)
    answer = explained(invoice="inv_1")
    assert ([each["id"] for each in answer["elsewhere"]], answer["moreElsewhere"]) == (others, False)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["customer", "subscription", "invoice"])
def test_the_number_of_statements_does_not_depend_on_the_rows(name):
    """One row of everything, then many."""
    subject = {name: {"customer": "cus_1", "subscription": "sub_1", "invoice": "inv_0"}[name]}
    numbers = []
    for count in (1, 15):
        for number in range(count):
            voucher = create_voucher()
            (code,) = add_codes(voucher, {"code": f"CODE-{count}-{number}"})
            granted = redeem(code=code["code"], **HERE, startsOn="2027-01-01")
            redeem(code="TYPO", **HERE)
            reserve(voucher=create_voucher()["id"], **HERE)
            apply(invoice=f"inv_{0 if count == 1 else number}")
            move(granted["discount"])
            move(granted["discount"], "sub_1")
        with counted() as statements:
            answer = explained(**subject)
        numbers.append(len([each for each in statements if not each.startswith(("SET", "DISCARD"))]))
    assert len(answer["discounts"]) > 10
    assert numbers[0] == numbers[1] <= 20


def test_nothing_of_another_project_is_visible():
    """The same ids of customers, subscriptions, invoices and requests."""
    voucher = create_voucher(project="other", code="SUMMER")
    granted = redeem(project="other", code="SUMMER", requestId="order-1", **HERE, startsOn="2027-01-01")
    redeem(project="other", code="TYPO", **HERE)
    reserve(project="other", code="TYPO", **HERE)
    reserve(project="other", voucher=voucher["id"], customer="cus_1", subscription="sub_3")
    apply(project="other", invoice="inv_1")
    move(granted["discount"], project="other")
    for subject in (*({name: each} for name, each in HERE.items()), {"invoice": "inv_1"}):
        answer = explained(**subject)
        assert answer["finding"] in {"never_redeemed", "invoice_not_found"}
        assert not any(answer[name] for name in ("billed", "requests", "holds", "discounts", "elsewhere"))
    apply(invoice="inv_1")
    answer = explained(invoice="inv_1")
    assert answer["finding"] == "never_redeemed"
    assert not any(answer[name] for name in ("requests", "holds", "discounts", "elsewhere"))


UNKNOWN = "01m802aq92e78rshs8mnssdx40"


@pytest.mark.parametrize(
    ("fields", "bad"),
    [
        ({}, {"invoice"}),
        (HERE, {"invoice"}),
        ({"customer": "cus_1", "invoice": "inv_1"}, {"invoice"}),
        ({**HERE, "invoice": "inv_1"}, {"invoice"}),
        ({"customer": "", "limit": 0}, {"customer", "limit"}),
        ({"customer": "cus_1", "limit": 201, "requestsBefore": f"dis_{UNKNOWN}"}, {"limit", "requestsBefore"}),
        (
            {"invoice": "inv_1", "holdsBefore": "1", "discountsBefore": "", "at": 1},
            {"holdsBefore", "discountsBefore", "?"},
        ),
    ],
)
def test_every_bad_field_is_named(fields, bad):
    """Exactly one of customer, subscription and invoice is needed."""
    with pytest.raises(InvalidRequest) as error:
        explained(**fields)
    assert {each["field"] for each in error.value.errors} == bad


def test_a_position_that_is_gone_or_of_nobody_is_a_position_still():
    """As in every list: the page has what is older."""
    redeem(code="TYPO", **HERE)
    newest = "7zzzzzzzzzzzzzzzzzzzzzzzzz"
    answer = explained(customer="cus_1", requestsBefore=f"red_{newest}")
    assert len(answer["requests"]) == 1
