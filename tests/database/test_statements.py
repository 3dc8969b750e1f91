"""The number of SQL statements does not depend on the number of requests, and none of them reads a whole table."""

import pytest

from tests.support.requests import add_codes, create_voucher, invoice, redemption
from tests.support.statements import SCANS, analyze, counted, explained, rows_read
from tests.support.tasks import task_named

LONG_AGO = "2026-01-01T00:00:00Z"


pytestmark = pytest.mark.usefixtures("database")


def test_redeeming_500_requests_takes_as_many_statements_as_two():
    """The requests name ten vouchers, with and without limits, or none, and are accepted or refused."""
    limits = {"maximumRedemptions": 50, "maximumRedemptionsPerCustomer": 2}
    for index in range(10):
        voucher = create_voucher(code=f"CODE-{index}", restrictions=limits if index % 2 else {})
        if index % 4 == 0:
            add_codes(voucher, {"code": f"CODE-{index + 20}", "maximumRedemptionsPerCustomer": 2})
    with counted() as one:
        requests = [redemption(code=code) for code in ("CODE-1", "CODE-11", "CODE-20")]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    with counted() as many:
        requests = [redemption(code=f"CODE-{index % 12 + index % 5 * 5}") for index in range(500)]
        items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert {item["outcome"] for item in items} == {"accepted", "refused"}
    assert many == one
    assert len(one) < 17


def test_applying_500_invoices_takes_as_many_statements_as_one():
    """The subscriptions have several discounts, one or none."""
    for kind in ({"priceDiscount": {"amount": 5, "currency": "USD"}}, {"recurrence": {"type": "once"}}, {}):
        voucher = create_voucher(**kind)["id"]
        requests = [redemption(voucher=voucher, subscription=f"sub_{index}", currency="USD") for index in range(400)]
        task_named("redemptions.redeem_many")(request={"requests": requests})
    with counted() as one:
        task_named("billing.apply")(request=invoice(subscription="sub_0"))
    with counted() as many:
        invoices = [invoice(subscription=f"sub_{index}") for index in range(500)]
        items = task_named("billing.apply_many")(request={"invoices": invoices})["items"]
    assert [len(item["discounts"]) for item in items] == [1] + [3] * 399 + [0] * 100
    assert many == one
    assert len(one) < 10


def test_only_a_subscription_that_was_there_is_locked_by_a_statement_more():
    """The INSERT locks a new subscription."""
    vouchers = [create_voucher()["id"] for _ in range(2)]
    with counted() as new:
        task_named("redemptions.redeem")(request=redemption(voucher=vouchers[0], subscription="sub_1"))
    with counted() as known:
        task_named("redemptions.redeem")(request=redemption(voucher=vouchers[1], subscription="sub_1"))
    lock = [each for each in known if "subscriptions" in each and "FOR NO KEY UPDATE" in each]
    assert len(lock) == 1
    assert [each for each in known if each not in lock] == new


@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_of_a_batch_reads_a_table_whatever_the_statistics_say(known):
    """The statistics are missing, up to date or out of date. Under the last, a whole table was once read."""
    vouchers = [create_voucher(code=f"CODE-{index}") for index in range(20)]
    each = {"maximumRedemptionsPerCustomer": 2}
    codes = [add_codes(voucher, {"code": f"EACH-{voucher['code']}", **each})[0]["code"] for voucher in vouchers]
    grown = [redemption(code=code, subscription=f"sub_{index}") for index in range(30) for code in codes]
    if known == "what was there before":
        task_named("redemptions.redeem_many")(request={"requests": grown[:100]})
        analyze()
    task_named("redemptions.redeem_many")(request={"requests": grown})
    if known == "everything":
        analyze()
    with explained() as plans:
        # The subscriptions are new, except for the last, which is locked.
        requests = [redemption(code=code) for code in codes] + [redemption(code=codes[0], subscription="sub_0")]
        task_named("redemptions.redeem_many")(request={"requests": requests})
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(30)]}
        )
    assert len(plans) > 15
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


def test_naming_the_voucher_sends_no_statement_about_codes():
    """A code takes four statements: two look-ups, before and behind the lock, the counter, and the failed attempts."""
    voucher = create_voucher(code="SUMMER")
    with counted() as by_id:
        task_named("redemptions.redeem")(request=redemption(voucher=voucher["id"]))
    with counted() as by_code:
        task_named("redemptions.redeem")(request=redemption(code="SUMMER"))
    about_codes = [each for each in by_code if "codes" in each or "failed_attempts" in each]
    assert [each for each in by_code if each not in about_codes] == by_id
    assert len(about_codes) == 4


def test_adding_500_codes_takes_as_many_statements_as_one():
    """Some codes take over the text of an expired voucher's code."""
    voucher = create_voucher()
    expired = [create_voucher(code=f"OLD-{index}", restrictions={"expiresAt": LONG_AGO}) for index in range(12)]
    with counted() as one:
        add_codes(voucher, {"code": expired[0]["code"]})
    with counted() as many:
        texts = [*(each["code"] for each in expired[1:]), *(f"NEW-{index}" for index in range(480))]
        add_codes(voucher, *({"code": code} for code in texts))
    assert many == one
    assert len(one) < 15


@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_about_codes_reads_a_table_whatever_the_statistics_say(known):
    """Codes are added, generated, listed, retired, redeemed and swept."""
    voucher = create_voucher(code="SUMMER")
    task_named("vouchers.generate_codes")(request={"project": "gigs", "voucher": voucher["id"], "count": 50})
    if known == "what was there before":
        analyze()
    due = [{"code": f"DUE-{index}", "expiresAt": LONG_AGO} for index in range(900)]
    first, *_ = add_codes(voucher, *due)
    task_named("vouchers.generate_codes")(request={"project": "gigs", "voucher": voucher["id"], "count": 2_000})
    if known == "everything":
        analyze()
    page = {"project": "gigs", "voucher": voucher["id"], "status": ["available", "retired"]}
    with explained() as plans:
        task_named("vouchers.generate_codes")(
            request={"project": "gigs", "voucher": voucher["id"], "count": 20, "requestId": "r1"}
        )
        add_codes(voucher, *({"code": f"{each['code']}"} for each in due[:10]), requestId="r2")
        task_named("codes.retire")(request={"project": "gigs", "code": first["id"]})
        task_named("codes.list")(request=page)
        task_named("codes.list")(request={**page, "before": first["id"]})
        task_named("redemptions.redeem_many")(
            request={"requests": [redemption(code=f"DUE-{index}") for index in range(20)]}
        )
        task_named("expiry.sweep")(request={})
    assert len(plans) > 40
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


@pytest.mark.slow
@pytest.mark.parametrize("status", [["available"], ["retired"], ["available", "retired"]])
def test_a_page_of_codes_reads_no_more_at_the_end_than_at_the_beginning(status):
    """With 2,000 codes of each status, a page reads the shown codes, and another code to know whether more follow."""
    voucher = create_voucher()
    for index in range(4):
        expiring = {"expiresAt": LONG_AGO} if index % 2 else {}
        task_named("vouchers.generate_codes")(
            request={"project": "gigs", "voucher": voucher["id"], "count": 1_000, **expiring}
        )
    task_named("expiry.sweep")(request={})
    analyze()
    every: list[str] = []
    page = {"project": "gigs", "voucher": voucher["id"], "status": status, "limit": 100}
    with rows_read() as read:
        after = None
        while True:
            answer = task_named("codes.list")(request={**page, **({"after": after} if after else {})})
            every += [each["id"] for each in answer["items"]]
            after = answer["moreItemsAfter"]
            if after is None:
                break
    assert every == sorted(set(every), reverse=True)
    assert len(every) == 2_000 * len(status)
    assert max(read) <= 100 * len(status) + 1
