"""`billing.apply` with credit lines, which give back a part of an earlier line and of its discount."""

from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import text

from tasks.wire.errors import InvalidRequest
from tests.support.credits import BALANCE, FIXED, HALF, HUNDRED, credit, credit_line, totals
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.reversals import APRIL, FEBRUARY, MARCH, ONCE, discount_row, grant, refund, reverse
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")


def rows(statement: str) -> list[Any]:
    """Return the rows of a statement."""
    with transaction() as session:
        return list(session.execute(text(statement)).all())


def forecast(**fields: Any) -> dict[str, Any]:
    """Return the forecast from March 2027 on."""
    answer: dict[str, Any]
    answer = task_named("vouchers.forecast")(request={"project": "gigs", "from": "2027-03-01", "months": 2, **fields})
    return answer


def upgrade(amount: int = 5_000, *, of: str = "inv_1", **fields: Any) -> dict[str, Any]:
    """Credit an amount of an invoice, and bill 100.00 for the new plan in the same cycle."""
    return apply(**{"lines": [credit_line(amount, of=of), {"id": "new", "amount": 10_000}], **fields})


def test_an_upgrade_gives_back_the_unused_half_and_discounts_the_new_plan():
    """The customer paid 50.00 of 100.00. The credit is 25.00, the new discount 50.00."""
    granted = grant(**HALF)
    first = apply(invoice="inv_1", lines=HUNDRED)
    answer = upgrade(invoice="inv_2")
    assert totals(answer) == [-2_500, 5_000, 2_500]
    assert (answer["subtotal"], answer["discountTotal"]) == (5_000, 2_500)
    assert [line["total"] for line in answer["lines"]] == [-2_500, 5_000]
    (entry,) = rows("SELECT id FROM usage_entries WHERE invoice = 'inv_1'")
    (share,) = answer["credits"][0].pop("discounts")
    assert answer["credits"] == [
        {
            "line": "unused",
            "creditOf": {"invoice": "inv_1", "line": "base"},
            "amount": 5_000,
            "discountShare": 2_500,
        }
    ]
    (reversal,) = rows("SELECT id, invoice, kind, amount_minor, credited_by FROM usage_reversals")
    assert (reversal.invoice, reversal.kind, reversal.amount_minor, reversal.credited_by) == (
        *("inv_1", "credited"),
        *(-2_500, "inv_2"),
    )
    assert share.pop("usage").startswith("use_")
    assert share.pop("reverses").startswith("use_")
    assert entry.id != reversal.id
    assert share == {"discount": granted["discount"], "voucher": granted["voucher"], "amount": 2_500}
    assert first["discountTotal"] == 5_000
    assert task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": granted["voucher"]})["given"] == {
        "USD": 7_500
    }


def test_without_credit_of_a_negative_line_is_billed_as_it_is():
    """The total may be negative."""
    grant(**HALF)
    apply(invoice="inv_1", lines=HUNDRED)
    answer = apply(lines=[{"id": "unused", "amount": -5_000}])
    assert (totals(answer), answer["credits"], rows("SELECT id FROM usage_reversals")) == ([0, -5_000], [], [])


@pytest.mark.slow
@pytest.mark.parametrize("steps", [*permutations(["credit 1", "credit 2", "refund 3", "refund 4"])])
def test_credits_and_refunds_in_any_order_add_up_to_the_discount(steps):
    """A discount of 0.05 on 0.10, taken back in four uneven parts by two ways."""
    grant(**HALF)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 10}])
    shares = []
    for step in steps:
        way, amount = step.split()
        if way == "credit":
            shares.append(credit(int(amount), of="inv_1")["credits"][0]["discountShare"])
        else:
            shares.append(refund("inv_1", step, base=int(amount))["discountTotal"])
    assert (sum(shares), min(shares) >= 0) == (5, True)
    assert credit(1, of="inv_1")["reason"] == "amount_exceeds_line"
    assert refund("inv_1", "more", base=1)["reason"] == "amount_exceeds_line"


def test_credit_lines_of_one_invoice_are_rounded_together():
    """A discount of 0.01 on 0.02: the first unit gets the cent, the second nothing."""
    grant(**HALF)
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 2}])
    answer = apply(lines=[credit_line(1, of="inv_1", id=name) for name in ("a", "b")])
    assert totals(answer) == [-1, 0, -1]
    assert [each["discountShare"] for each in answer["credits"]] == [1, 0]
    # Each discount of the line is named, also with nothing.
    assert [len(each["discounts"]) for each in answer["credits"]] == [1, 1]


def test_several_discounts_get_their_shares():
    """10.00 off for the product, then half of the rest."""
    for fields in ({**FIXED, "restrictions": {"products": ["prod_a"]}}, HALF):
        voucher = create_voucher(**fields)["id"]
        redeem(voucher=voucher, customer="cus_1", subscription="sub_1", products=["prod_a"], currency="USD")
    billed = apply(invoice="inv_1", lines=[{"id": "base", "amount": 10_000, "product": "prod_a"}])
    assert [each["amount"] for each in billed["discounts"]] == [1_000, 4_500]
    answer = credit(2_500, of="inv_1")
    assert [each["amount"] for each in answer["credits"][0]["discounts"]] == [250, 1_125]
    assert answer["discountTotal"] == -1_375


def test_a_credit_of_a_line_without_discount_gives_back_the_amount_alone():
    """The credit counts all the same."""
    apply(invoice="inv_1", lines=HUNDRED)
    answer = credit(6_000, of="inv_1")
    assert (totals(answer), answer["credits"][0]["discounts"]) == ([0, -6_000], [])
    assert credit(4_001, of="inv_1")["reason"] == "amount_exceeds_line"
    assert credit(4_000, of="inv_1")["outcome"] == "applied"


def test_a_credit_gives_no_cycle_back():
    """A discount for a single invoice is used up, and the first of two cycles stays counted."""
    grant(**HALF, **ONCE)
    apply(invoice="inv_1", lines=HUNDRED)
    before = discount_row()
    assert totals(upgrade(10_000)) == [-5_000, 0, 5_000]
    after = discount_row()
    assert (after.cycles, after.status, after.entries_given_back) == (before.cycles, before.status, 0)


def test_a_fully_credited_cycle_counts_once_when_it_is_discounted_again():
    """Two cycles are discounted: February, whose invoice is credited and billed anew, and March."""
    grant(**HALF, recurrence={"type": "repeating", "durationInCycles": 2})
    apply(invoice="inv_1", lines=HUNDRED)
    # In the batch of the credit, and in a later one.
    assert [each["cycle"] for each in upgrade(10_000)["discounts"]] == [1]
    assert [each["cycle"] for each in apply()["discounts"]] == [1]
    assert [each["cycle"] for each in apply(period=MARCH)["discounts"]] == [2]
    assert apply(period=APRIL)["discounts"] == []


def test_a_fixed_amount_of_the_cycle_is_given_on_the_new_plan():
    """10.00 off a month: 5.00 stay on the first invoice, 5.00 are given on the second, and no more."""
    grant(**FIXED)
    apply(invoice="inv_1", lines=HUNDRED)
    assert totals(upgrade()) == [-500, 500, 5_000]
    assert apply(lines=HUNDRED)["skipped"][0]["reason"] == "nothing_left"
    assert apply(lines=HUNDRED, period=MARCH)["discountTotal"] == 1_000


def test_a_later_invoice_of_the_cycle_gets_what_was_credited():
    """The credit was in another batch, and the preview says the same."""
    grant(**FIXED)
    apply(invoice="inv_1", lines=HUNDRED)
    credit(5_000, of="inv_1")
    plan = {"interval": "month", "anchor": "2027-02-01", "currency": "USD", "lines": HUNDRED}
    shown = task_named("billing.preview")(
        request={"project": "gigs", "subscription": "sub_1", "from": "2027-02-01", "periods": 2, "plan": plan}
    )
    assert [each["discountTotal"] for each in shown["periods"]] == [500, 1_000]
    assert [each["discounts"][0]["cycle"] for each in shown["periods"]] == [1, 2]
    assert apply(lines=HUNDRED)["discountTotal"] == 500


def test_a_credit_goes_back_into_the_balance_which_runs_again():
    """The balance of 50.00 is used up. Half of it comes back, and the same invoice takes it again."""
    grant(**BALANCE)
    apply(invoice="inv_1", lines=HUNDRED)
    assert discount_row().status == "completed"
    answer = upgrade()
    assert totals(answer) == [-2_500, 2_500, 5_000]
    assert answer["discounts"][0]["debitBalance"] == 0
    assert discount_row().status == "completed"


def test_a_balance_that_is_not_used_again_runs_on():
    """A later invoice in another cycle takes the rest."""
    grant(**BALANCE)
    apply(invoice="inv_1", lines=HUNDRED)
    credit(4_000, of="inv_1")
    assert (discount_row().status, discount_row().completed_at) == ("running", None)
    (answer,) = apply(period=MARCH, lines=HUNDRED)["discounts"]
    assert (answer["amount"], answer["debitBalance"], discount_row().status) == (2_000, 0, "completed")


def test_a_balance_without_room_stays_completed_but_gives_what_it_has():
    """The voucher runs on the subscription through another redemption meanwhile."""
    voucher = grant(**BALANCE)["voucher"]
    apply(invoice="inv_1", lines=HUNDRED)
    redeem(voucher=voucher, customer="cus_1", subscription="sub_1", startsOn="2027-06-01", currency="USD")
    credit(4_000, of="inv_1")
    assert [each.status for each in rows("SELECT status FROM discounts ORDER BY id")] == ["completed", "running"]
    assert apply(period=MARCH, lines=HUNDRED)["discountTotal"] == 2_000


def test_a_balance_that_only_rounding_credited_stays_used_up():
    """Nothing of the discount is given back, so nothing can be taken."""
    grant(**{**BALANCE, "priceDiscount": {"amount": 1, "currency": "USD"}})
    apply(invoice="inv_1", lines=HUNDRED)
    assert credit(1, of="inv_1")["credits"][0]["discountShare"] == 0
    assert discount_row().status == "completed"


def test_a_budget_gets_nothing_back():
    """The voucher has given 75.00, and 100.00 of its budget are spent."""
    voucher = grant(**HALF, budget={"amount": 10_000, "currency": "USD"})["voucher"]
    apply(invoice="inv_1", lines=HUNDRED)
    upgrade()
    shown = task_named("vouchers.retrieve")(request={"project": "gigs", "voucher": voucher})
    assert (shown["given"], shown["spent"], shown["left"]) == ({"USD": 7_500}, {"USD": 10_000}, {"USD": 0})
    assert apply(lines=HUNDRED)["skipped"][0]["reason"] == "budget_spent"


def test_an_ended_discount_stays_ended():
    """Its share is given back all the same."""
    discount = grant(**BALANCE)["discount"]
    apply(invoice="inv_1", lines=HUNDRED)
    task_named("discounts.end")(request={"project": "gigs", "discount": discount})
    assert totals(upgrade()) == [-2_500, 0, 7_500]
    assert discount_row().status == "ended"


def test_a_trial_can_have_a_credit():
    """The new plan begins with a trial, which is not discounted."""
    grant(**HALF)
    apply(invoice="inv_1", lines=HUNDRED)
    assert totals(upgrade(trial=True)) == [-2_500, 0, 7_500]


def test_an_invoice_of_another_subscription_is_credited():
    """The customer has a new subscription, where the discount does not run."""
    grant(**BALANCE)
    apply(invoice="inv_1", lines=HUNDRED)
    assert totals(upgrade(subscription="sub_2")) == [-2_500, 0, 7_500]
    assert discount_row().status == "running"


def test_the_discount_was_moved_to_the_subscription_of_the_credit():
    """The balance is used again where the discount is now."""
    discount = grant(**BALANCE)["discount"]
    apply(invoice="inv_1", lines=[{"id": "base", "amount": 4_000}])
    task_named("discounts.move")(
        request={"project": "gigs", "discount": discount, "subscription": "sub_2", "requestId": "m1", "actor": "anna"}
    )
    assert totals(upgrade(4_000, subscription="sub_2")) == [-4_000, 5_000, 5_000]
    assert discount_row().status == "completed"


def test_a_credit_returns_no_place():
    """Neither does a refund of the rest: the customer goes on buying."""
    grant(**HALF, restrictions={"maximumRedemptionsPerCustomer": 1})
    apply(invoice="inv_1", lines=HUNDRED)
    credit(5_000, of="inv_1")
    refund("inv_1", "r1", base=5_000)
    assert rows("SELECT discount_id FROM returned_places") == []


def test_the_same_invoice_again_gets_the_same_answer_and_no_second_credit():
    """Also twice in a request."""
    grant(**HALF)
    apply(invoice="inv_1", lines=HUNDRED)
    request = invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1")])
    together = task_named("billing.apply_many")(request={"invoices": [request, request]})["items"]
    assert [*together, task_named("billing.apply")(request=request)] == [together[0]] * 3
    assert len(rows("SELECT id FROM usage_reversals")) == 1
    other = {**request, "lines": [credit_line(5_000, of="inv_1", line="other")]}
    assert task_named("billing.apply")(request=other)["reason"] == "idempotency_conflict"


def test_an_invoice_of_the_same_request_is_credited():
    """An invoice, its credit, and the credit of the credit's new line, in one transaction."""
    grant(**FIXED)
    invoices = [
        invoice(invoice="inv_1", lines=HUNDRED),
        invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1"), {"id": "new", "amount": 10_000}]),
        invoice(invoice="inv_3", lines=[credit_line(10_000, of="inv_2", line="new")]),
        invoice(invoice="inv_4", lines=HUNDRED),
    ]
    answers = task_named("billing.apply_many")(request={"invoices": invoices})["items"]
    assert [totals(each) for each in answers] == [[1_000, 9_000], [-500, 500, 5_000], [-500, -9_500], [500, 9_500]]
    assert discount_row().cycles == 1


def test_a_balance_that_the_same_request_used_up_is_refilled():
    """The discount runs on, and was never seen as completed."""
    grant(**BALANCE)
    invoices = [
        invoice(invoice="inv_1", lines=HUNDRED),
        invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1")]),
    ]
    task_named("billing.apply_many")(request={"invoices": invoices})
    assert (discount_row().status, discount_row().completed_at) == ("running", None)
    assert apply(period=MARCH, lines=HUNDRED)["discountTotal"] == 2_500


def test_invoices_after_credits_are_billed_in_the_order_sent():
    """An invoice that is credited before it is sent does not exist yet."""
    invoices = [
        invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1")]),
        invoice(invoice="inv_1", lines=HUNDRED),
        invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1")]),
    ]
    answers = task_named("billing.apply_many")(request={"invoices": invoices})["items"]
    assert [each["reason"] for each in answers] == ["invoice_not_found", None, None]


def refusals() -> list[tuple[str, dict[str, Any]]]:
    """Return the reasons, each with a second line that is refused for it. A later reason would be true too."""
    return [
        ("invoice_not_found", credit_line(1, of="unknown", id="second")),
        ("currency_mismatch", credit_line(99_999, of="inv_eur", line="unknown", id="second")),
        ("already_reversed", credit_line(99_999, of="inv_void", line="unknown", id="second")),
        ("line_not_found", credit_line(99_999, of="inv_1", line="unknown", id="second")),
        ("amount_exceeds_line", credit_line(5_001, of="inv_1", id="second")),
        # A negative line and an empty one have nothing that could be given back.
        ("amount_exceeds_line", credit_line(1, of="inv_1", line="negative", id="second")),
        ("amount_exceeds_line", credit_line(1, of="inv_1", line="empty", id="second")),
    ]


@pytest.mark.parametrize(("reason", "second"), refusals())
def test_a_credit_that_is_not_possible_refuses_the_invoice_and_leaves_nothing_behind(reason, second):
    """The first credit line was possible. The same id is accepted afterwards, with another body."""
    grant(**HALF)
    others = [{"id": "negative", "amount": -100}, {"id": "empty", "amount": 0}]
    apply(invoice="inv_1", lines=[*HUNDRED, *others])
    apply(invoice="inv_eur", lines=HUNDRED, currency="EUR")
    apply(invoice="inv_void", lines=HUNDRED)
    reverse("inv_void")
    before = rows("SELECT count(*) FROM usage_entries"), discount_row()
    lines = [credit_line(5_000, of="inv_1", id="first"), second, {"id": "new", "amount": 10_000}]
    answer = apply(invoice="inv_2", lines=lines)
    assert (answer["outcome"], answer["reason"], answer["refusedLine"]) == ("refused", reason, "second")
    assert (answer["total"], answer["lines"], answer["credits"], answer["appliedAt"]) == (None, [], [], None)
    assert (rows("SELECT count(*) FROM usage_entries"), discount_row()) == before
    assert totals(apply(invoice="inv_2", lines=lines[:1])) == [-2_500, -2_500]


def test_an_invoice_cannot_credit_itself():
    """It does not exist yet when its lines are judged."""
    assert credit(1, of="inv_1", invoice="inv_1")["reason"] == "invoice_not_found"


def test_an_invoice_of_another_project_is_unknown():
    """No data of a project is visible from another one."""
    apply(invoice="inv_1", lines=HUNDRED)
    assert credit(1, of="inv_1", project="other")["reason"] == "invoice_not_found"


@pytest.mark.parametrize("amount", [0, 1])
def test_only_a_negative_line_can_be_a_credit(amount):
    """The field is named."""
    line = {"id": "unused", "amount": amount, "creditOf": {"invoice": "inv_1", "line": "base"}}
    (answer,) = task_named("billing.apply_many")(request={"invoices": [invoice(lines=[line])]})["items"]
    assert answer["errors"] == [{"field": "lines.0.creditOf", "message": "must be given with a negative amount only"}]


def test_a_plan_has_no_credit():
    """A preview would give the same credit in each period."""
    plan = {
        "interval": "month",
        "anchor": "2027-02-01",
        "currency": "USD",
        "lines": [credit_line(1, of="inv_1")],
    }
    with pytest.raises(InvalidRequest, match=r"plan\.lines.*must not have creditOf"):
        task_named("billing.preview")(request={"project": "gigs", "subscription": "sub_1", "plan": plan})


def test_the_credited_invoice_says_so_when_it_is_sent_again():
    """A credit that was taken back does not count."""
    grant(**HALF)
    request = invoice(invoice="inv_1", lines=HUNDRED)
    task_named("billing.apply")(request=request)
    upgrade(invoice="inv_2")
    again = task_named("billing.apply")(request=request)
    assert (again["reversed"]["kind"], again["discountTotal"]) == ("credited", 5_000)
    reverse("inv_2")
    assert task_named("billing.apply")(request=request)["reversed"] is None


@pytest.mark.parametrize("is_new", [True, False])
def test_the_credited_invoice_says_so_in_the_same_request(is_new):
    """Its answers are in the order sent, so only the later one names the credit."""
    grant(**HALF)
    request = invoice(invoice="inv_1", lines=HUNDRED)
    if not is_new:
        task_named("billing.apply")(request=request)
    crediting = invoice(invoice="inv_2", lines=[credit_line(5_000, of="inv_1")])
    before, credited, after = task_named("billing.apply_many")(request={"invoices": [request, crediting, request]})[
        "items"
    ]
    assert (before["reversed"], after["reversed"]) == (None, {"kind": "credited", "at": credited["appliedAt"]})
    assert task_named("billing.apply")(request=request) == after


def test_the_usage_of_the_customer_has_an_entry_for_each_share():
    """The reference is the invoice with the credit line."""
    voucher = grant(**HALF)["voucher"]
    apply(invoice="inv_1", lines=HUNDRED)
    credit(5_000, of="inv_1", invoice="inv_2")
    reverse("inv_2")
    (item,) = task_named("usages.list")(request={"project": "gigs", "voucher": voucher})["items"]
    shown = [(each["refType"], each["ref"], each["usage"], each["amount"]) for each in item["usageRefs"]]
    assert shown == [("invoice", "inv_1", 1, 5_000), ("credit", "inv_2", 0, -2_500), ("credit", "inv_2", 0, 2_500)]
    assert item["statistics"]["amounts"] == {"USD": 5_000}


def test_a_forecast_leaves_out_what_was_credited():
    """February has cost 50.00 - 25.00 + 50.00."""
    voucher = grant(**HALF)["voucher"]
    apply(invoice="inv_1", lines=HUNDRED, period=FEBRUARY)
    upgrade()
    shown = forecast(voucher=voucher)
    assert shown["months"][0]["amounts"] == {"USD": 7_500}


def test_a_forecast_of_a_balance_whose_only_invoice_was_credited_costs_nothing():
    """Nothing tells how long it lasts."""
    voucher = grant(**BALANCE)["voucher"]
    apply(invoice="inv_1", lines=HUNDRED, period=FEBRUARY)
    credit(10_000, of="inv_1")
    shown = forecast(voucher=voucher)
    assert [each["amounts"] for each in shown["months"]] == [{}, {}]
