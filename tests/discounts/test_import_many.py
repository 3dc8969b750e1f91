"""`discounts.import_many`: together, at once, repeated, and in a bounded number of statements."""

from collections import Counter
from datetime import date
from itertools import pairwise

import pytest
from sqlalchemy import text

from tests.foreign.stripe import import_coupon
from tests.support.concurrency import at_once, send
from tests.support.imports import BALANCE, ONE_CYCLE, TWO_CYCLES, elsewhere, import_discount, import_discounts
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.reversals import reverse
from tests.support.statements import SCANS, analyze, counted, explained
from tests.support.tasks import task_named
from worker.database import transaction

BODY = {"project": "gigs"}
BUDGET = {"budget": {"amount": 1_000_000, "currency": "USD"}}
HAD = {**ONE_CYCLE, "taken": {"USD": 10}}


def bodies_of(voucher: str, *, count: int, begin: int = 0, **fields: object) -> list[dict]:
    """Return discounts of customers on subscriptions of their own."""
    return [
        elsewhere(voucher=voucher, ref=f"di_{n}", customer=f"cus_{n}", subscription=f"sub_{n}", **fields)
        for n in range(begin, begin + count)
    ]


def imported_rows() -> int:
    """Return how many discounts were imported."""
    with transaction() as session:
        count: int = session.execute(text("SELECT count(*) FROM imported_discounts")).scalar_one()
    return count


@pytest.mark.usefixtures("database")
def test_each_discount_is_decided_by_itself():
    """A bad item, by its fields or by the terms of its voucher, leaves the others alone."""
    voucher, once = create_voucher()["id"], create_voucher(recurrence={"type": "once"})["id"]
    answers = import_discounts(
        *bodies_of(voucher, count=1),
        {},
        elsewhere(ref="di_2", voucher=once, **TWO_CYCLES),
        elsewhere(ref="di_3", voucher=voucher, subscription="sub_0"),
        *bodies_of(voucher, count=1, begin=4),
    )
    assert [each["outcome"] for each in answers] == ["imported", "invalid", "invalid", "refused", "imported"]
    assert answers[2]["errors"][0]["field"] == "cycles"
    assert answers[3]["reason"] == "already_applied"


@pytest.mark.usefixtures("database")
def test_the_same_discount_twice_in_a_batch_comes_over_once():
    """A different body with its reference is a conflict, whichever of the two was possible."""
    voucher, other = create_voucher()["id"], create_voucher(recurrence={"type": "once"})["id"]
    body = elsewhere(voucher=voucher)
    first, same, conflict = import_discounts(body, body, {**body, "voucher": other})
    assert first == same
    assert conflict["reason"] == "idempotency_conflict"
    impossible, possible = import_discounts(
        elsewhere(voucher=other, ref="di_2", subscription="sub_2", **TWO_CYCLES),
        elsewhere(voucher=voucher, ref="di_2", subscription="sub_2", **TWO_CYCLES),
    )
    assert [impossible["outcome"], possible["outcome"]] == ["invalid", "imported"]
    assert imported_rows() == 2


@pytest.mark.usefixtures("database")
def test_a_batch_never_takes_more_of_a_budget_than_there_is():
    """The third amount finds nothing left, and the others are spent."""
    voucher = create_voucher(budget={"amount": 25, "currency": "USD"})["id"]
    answers = import_discounts(*bodies_of(voucher, count=3, **HAD))
    assert [each["reason"] for each in answers] == [None, None, "budget_spent"]
    shown = task_named("vouchers.retrieve")(request={**BODY, "voucher": voucher})
    assert (shown["spent"], shown["left"]) == ({"USD": 20}, {"USD": 5})


@pytest.mark.usefixtures("database")
def test_a_batch_that_is_sent_again_in_any_order_has_one_effect():
    """Each gets its first answer, also beside new ones."""
    voucher = import_coupon(times_redeemed=30, max_redemptions=40)["id"]
    bodies = bodies_of(voucher, count=35, **ONE_CYCLE)
    first = import_discounts(*bodies[:20])
    again = [*bodies[1::2], *bodies[::2][::-1]]
    answers = {each["ref"]: each for each in import_discounts(*again)}
    assert [answers[each["ref"]] for each in first] == first
    assert {each["ref"]: each for each in import_discounts(*bodies)} == answers
    assert sorted(each["redemptionNumber"] for each in answers.values()) == list(range(1, 36))


@pytest.mark.slow
@pytest.mark.usefixtures("database")
def test_a_thousand_discounts_take_as_many_statements_as_two():
    """Of several vouchers: with a balance, with a budget, and with imported places."""
    vouchers = [create_voucher(**BALANCE)["id"], create_voucher(**BUDGET)["id"]]
    vouchers.append(import_coupon(times_redeemed=100)["id"])
    with counted() as few:
        bodies = [bodies_of(each, count=1, begin=n, **HAD)[0] for n, each in enumerate(vouchers)]
        import_discounts(*bodies)
    with counted() as many:
        bodies = [bodies_of(vouchers[n % 3], count=1, begin=n, **HAD)[0] for n in range(10, 1_010)]
        answers = import_discounts(*bodies)
    assert {each["outcome"] for each in answers} == {"imported"}
    assert many == few
    assert len(many) < 20
    with counted() as again:
        assert import_discounts(*bodies) == answers
    assert len(again) < len(many)


@pytest.mark.slow
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("known", ["nothing", "everything", "what was there before"])
def test_no_statement_reads_a_whole_table_whatever_the_statistics_say(known):
    """Of imports, invoices and voids of imported discounts."""
    voucher = create_voucher(**BALANCE)["id"]
    import_discounts(*bodies_of(voucher, count=100, **HAD))
    if known == "what was there before":
        analyze()
    import_discounts(*bodies_of(voucher, count=800, begin=100, **HAD))
    if known == "everything":
        analyze()
    with explained() as plans:
        import_discounts(*bodies_of(voucher, count=20, begin=890, **HAD))
        task_named("billing.apply_many")(
            request={"invoices": [invoice(invoice=f"inv_{n}", subscription=f"sub_{n}") for n in range(30)]}
        )
        reverse("inv_7")
        task_named("discounts.list")(request={**BODY, "customer": "cus_7"})
    assert len(plans) > 25
    assert [plan for plan in plans if any(scan in plan for scan in SCANS)] == []


@pytest.mark.usefixtures("wide_pool")
def test_the_same_discount_at_once_comes_over_once():
    """All get the same answer, and with another body all but one get a conflict."""
    voucher = import_coupon(times_redeemed=1, max_redemptions=1, valid=False)["id"]
    body = elsewhere(voucher=voucher, **ONE_CYCLE)
    answers = at_once(send("discounts.import", [body] * 8))
    assert answers == [answers[0]] * 8
    vouchers = [create_voucher()["id"] for _ in range(4)]
    bodies = [elsewhere(voucher=each, ref="di_2", subscription=f"sub_{n}") for n, each in enumerate(vouchers)]
    reasons = Counter(each["reason"] for each in at_once(send("discounts.import", bodies)))
    assert reasons == {None: 1, "idempotency_conflict": 3}


@pytest.mark.usefixtures("wide_pool")
def test_imports_and_redemptions_at_once_never_take_more_places_than_there_are():
    """Three imported places and two new ones, for twelve who want one."""
    voucher = import_coupon(times_redeemed=3, max_redemptions=5)["id"]
    answers = at_once(
        send("discounts.import", bodies_of(voucher, count=6, **ONE_CYCLE))
        + send("redemptions.redeem", [redemption(voucher=voucher) for _ in range(6)])
    )
    numbers = [each["redemptionNumber"] for each in answers if each["redemptionNumber"]]
    assert sorted(numbers)[-2:] == [4, 5]
    assert len(numbers) == len(set(numbers)) == 5


@pytest.mark.usefixtures("wide_pool")
def test_of_an_import_and_redemptions_of_a_voucher_one_gets_the_subscription():
    """Whoever is first."""
    voucher = create_voucher()["id"]
    answers = at_once(
        send("discounts.import", [elsewhere(voucher=voucher, ref=f"di_{n}", subscription="sub_1") for n in range(3)])
        + send("redemptions.redeem", [redemption(voucher=voucher, subscription="sub_1") for _ in range(3)])
    )
    assert Counter(each["reason"] for each in answers) == {None: 1, "already_applied": 5}


@pytest.mark.usefixtures("wide_pool")
def test_everything_at_once_leaves_a_ledger_without_a_fault():
    """Batches in different orders, invoices, voids and an update of the budget; the audit follows."""
    vouchers = [create_voucher(**each)["id"] for each in (BALANCE, BUDGET, {})]
    bodies = [bodies_of(vouchers[n % 3], count=1, begin=n, **HAD)[0] for n in range(12)]
    import_discounts(*bodies[:6])
    for n in range(6):
        apply(invoice=f"inv_{n}", subscription=f"sub_{n}")
    budget = {**BODY, "voucher": vouchers[1], "budget": {"amount": 900_000, "currency": "USD"}}
    at_once(
        send("discounts.import_many", [{"requests": bodies}, {"requests": bodies[::-1]}, {"requests": bodies[3:9]}])
        + send("billing.apply", [invoice(subscription=f"sub_{n}") for n in range(12)])
        + send("billing.reverse", [{**BODY, "invoice": f"inv_{n}", "kind": "voided"} for n in range(6)])
        + send("vouchers.update", [budget])
        + send("redemptions.redeem", [redemption(voucher=each, currency="USD") for each in vouchers])
    )
    assert imported_rows() == 12


@pytest.mark.usefixtures("database")
def test_a_year_of_invoices_is_discounted_as_it_would_have_been_there():
    """A discount of twelve months moves over after each of its months, and gives as much in all."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 12})["id"]
    firsts = [date(2026 + n // 12, n % 12 + 1, 1).isoformat() for n in range(16)]
    months = [{"start": start, "end": end} for start, end in pairwise(firsts)]
    redeem(voucher=voucher, subscription="sub_there", startsOn="2026-01-01")
    there = [apply(subscription="sub_there", period=each)["discountTotal"] for each in months]
    for had in range(13):
        begun = {"firstCycleStart": "2026-01-01", "cycles": had, "lastCycle": months[had - 1]}
        name = f"sub_{had}"
        import_discount(
            voucher, ref=f"di_{had}", subscription=name, redeemedAt="2025-12-31T10:00:00Z", **(begun if had else {})
        )
        here = [apply(subscription=name, period=each)["discountTotal"] for each in months[had:]]
        assert there[:had] + here == there
