"""The number of statements of reversals and ends, and their query plans."""

import pytest

from tests.support.credits import credit_line
from tests.support.endings import end, end_subscription
from tests.support.requests import apply, create_voucher, invoice, redemption
from tests.support.reversals import refund, reverse
from tests.support.statements import SCANS, analyze, counted, explained
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def redeem_many(count: int, **fields: str) -> list[str]:
    """Redeem a voucher on `count` subscriptions, and return the discounts."""
    voucher = create_voucher(restrictions={"maximumRedemptionsPerCustomer": 5_000})["id"]
    requests = [redemption(**{"voucher": voucher, "subscription": f"sub_{index}", **fields}) for index in range(count)]
    return [each["discount"] for each in task_named("redemptions.redeem_many")(request={"requests": requests})["items"]]


def test_only_discounts_with_reversals_cost_an_invoice_batch_a_statement():
    """The whole batch sends one more statement."""
    redeem_many(3)
    invoices = [invoice(subscription=f"sub_{index}") for index in range(3)]
    task_named("billing.apply_many")(request={"invoices": invoices})
    with counted() as before:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(3)]}
        )
    for each in invoices[:2]:
        reverse(each["invoice"])
    with counted() as after:
        task_named("billing.apply_many")(
            request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(3)]}
        )
    with counted() as elsewhere:
        task_named("billing.apply_many")(request={"invoices": [invoice(subscription="sub_2")]})
    assert elsewhere == before
    assert [statement for statement in after if "usage_reversals" not in statement] == before
    assert len(after) == len(before) + 1


def test_replays_of_any_number_of_invoices_look_for_reversals_once():
    """Invoices that are new send no statement for that."""
    redeem_many(3)
    counts = []
    for size in (1, 3):
        invoices = [invoice(subscription=f"sub_{index}") for index in range(size)]
        with counted() as first:
            task_named("billing.apply_many")(request={"invoices": invoices})
        refund(invoices[0]["invoice"], f"r{size}", base=1)
        with counted() as again:
            task_named("billing.apply_many")(request={"invoices": invoices})
        counts.append([sum("invoice_reversals" in each for each in statements) for statements in (first, again)])
    assert counts == [[0, 1]] * 2


def test_reversing_takes_as_many_statements_for_20_discounts_as_for_one():
    """The reversals are a void, and a refund of 50 lines."""
    for index in range(20):
        redeem_many(1, subscription="sub_many")
        redeem_many(1, subscription="sub_one") if index == 0 else None
    lines = [{"id": f"line_{index}", "amount": 8000} for index in range(50)]
    for subscription, count in (("sub_one", 1), ("sub_many", 20)):
        for kind in ("void", "refund"):
            answer = apply(invoice=f"{subscription}-{kind}", subscription=subscription, lines=lines)
            assert len(answer["discounts"]) == count
    statements = {}
    for subscription in ("sub_one", "sub_many"):
        with counted() as void:
            reverse(f"{subscription}-void")
        with counted() as refunding:
            refund(f"{subscription}-refund", subscription, **{f"line_{index}": 1 for index in range(50)})
        statements[subscription] = void, refunding
    assert statements["sub_one"] == statements["sub_many"]
    assert all(len(each) < 18 for each in statements["sub_many"])


def test_only_credits_cost_an_invoice_batch_statements_and_as_many_for_any_number():
    """The first batch without credits, then one and 20 credits of invoices of other subscriptions."""
    redeem_many(21)
    for index in range(21):
        apply(invoice=f"inv_{index}", subscription=f"sub_{index}")
    counts = []
    for credited in (range(0), range(1), range(1, 21)):
        lines = [credit_line(500, of=f"inv_{index}", id=f"line_{index}") for index in credited]
        lines.append({"id": "base", "amount": 8000})
        with counted() as statements:
            task_named("billing.apply")(request=invoice(lines=lines))
        counts.append(len(statements))
    assert counts[0] < counts[1] == counts[2] < 25


def test_reversing_credits_takes_as_many_statements_for_20_as_for_one():
    """They are of invoices of other subscriptions."""
    redeem_many(21)
    counts = []
    for name, credited in (("one", range(1)), ("many", range(1, 21))):
        for index in credited:
            apply(invoice=f"inv_{index}", subscription=f"sub_{index}")
        lines = [credit_line(500, of=f"inv_{index}", id=f"line_{index}") for index in credited]
        apply(invoice=name, lines=lines)
        with counted() as statements:
            assert len(reverse(name)["discounts"]) == len(credited)
        counts.append(len(statements))
    assert counts[0] == counts[1] < 25


@pytest.mark.slow
@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_scans_a_table_whatever_the_statistics_say(known):
    """The statistics are unknown, up to date, or out of date."""
    redeem_many(100)
    if known == "what was there before":
        analyze()
    discount, *_ = redeem_many(900, customer="cus_1")
    task_named("billing.apply_many")(
        request={"invoices": [invoice(subscription=f"sub_{index}") for index in range(300)]}
    )
    for index in range(3):
        apply(invoice=f"inv_{index}", subscription=f"sub_{index}")
    if known == "everything":
        analyze()
    with explained() as plans:
        reverse("inv_0")
        refund("inv_1", "r1", base=8000)
        apply(subscription="sub_0")
        apply(invoice="inv_4", subscription="sub_2", lines=[credit_line(500, of="inv_2")])
        apply(subscription="sub_2")
        apply(invoice="inv_4", subscription="sub_2", lines=[credit_line(500, of="inv_2")])
        reverse("inv_4")
        end(discount)
        end_subscription("sub_800")
        end_subscription("sub_2")
        task_named("redemptions.redeem")(request=redemption(voucher=create_voucher()["id"], customer="cus_1"))
        for owner in ({"customer": "cus_1"}, {"subscription": "sub_5"}, {"customer": "cus_1", "subscription": "sub_5"}):
            task_named("discounts.list")(request={"project": "gigs", **owner, "limit": 5})
            task_named("discounts.list")(request={"project": "gigs", **owner, "limit": 5, "after": discount})
            task_named("discounts.list")(request={"project": "gigs", **owner, "limit": 5, "before": discount})
    assert len(plans) > 40
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []
