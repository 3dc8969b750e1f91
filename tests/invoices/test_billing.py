"""Applying discounts to invoices: the answer, the ledger, periods, and the order of arrival."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise, permutations

import pytest
from sqlalchemy import func, select, text

from models.discounts.discount import DISCOUNTS
from models.invoices.ledger import INVOICE_DISCOUNTS, USAGE_ENTRIES
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

MONTHS_ON_THE_31ST = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]


def grant(**voucher) -> dict:
    """This function will redeem a new voucher on sub_1, from 2027 on."""
    created = create_voucher(**voucher)
    options = {"currency": "USD", "products": ["prod_a"], "startsOn": "2027-01-01"}
    return redeem(voucher=created["id"], subscription="sub_1", **options)


def periods(starts: list[str]) -> list[dict]:
    """This function will return the periods between those days."""
    return [{"start": start, "end": end} for start, end in pairwise(starts)]


def stored(table) -> int:
    """This function will count the rows of a table."""
    with transaction() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_an_applied_invoice_is_answered_with_every_field():
    """A fixed discount of 2.99 on lines of 43.00 and 37.00: 161 and 138."""
    granted = grant(
        priceDiscount={"amount": 299, "currency": "USD"}, recurrence={"type": "repeating", "durationInMonths": 3}
    )
    answer = apply(
        invoice="inv_a",
        period={"start": "2027-01-31", "end": "2027-02-28"},
        lines=[{"id": "base", "amount": 4300, "product": "prod_a"}, {"id": "seats", "amount": 3700}],
    )
    assert answer.pop("appliedAt").endswith("Z")
    assert answer == {
        "object": "invoiceDiscount",
        "outcome": "applied",
        "reason": None,
        "project": "gigs",
        "invoice": "inv_a",
        "subscription": "sub_1",
        "currency": "USD",
        "subtotal": 8000,
        "discountTotal": 299,
        "total": 7701,
        "lines": [
            {"id": "base", "amount": 4300, "discount": 161, "total": 4139},
            {"id": "seats", "amount": 3700, "discount": 138, "total": 3562},
        ],
        "discounts": [
            {
                "discount": granted["discount"],
                "voucher": granted["voucher"],
                "amount": 299,
                "lines": {"base": 161, "seats": 138},
                "cycle": 1,
                "endsOn": "2027-04-30",
                "debitBalance": None,
            }
        ],
        "skipped": [],
    }


def test_a_subscription_without_discounts_is_applied_with_nothing_taken_off():
    """And answered the same for ever, also when a discount comes later."""
    request = invoice()
    answer = task_named("billing.apply")(request=request)
    assert (answer["outcome"], answer["discountTotal"], answer["discounts"]) == ("applied", 0, [])
    grant()
    assert task_named("billing.apply")(request=request) == answer


def test_the_same_invoice_is_discounted_once():
    """The first answer is replayed and nothing is written."""
    grant()
    request = invoice()
    answers = [task_named("billing.apply")(request=request) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (stored(USAGE_ENTRIES), stored(INVOICE_DISCOUNTS)) == (1, 1)


def test_the_same_invoice_with_another_body_is_refused_and_the_first_stands():
    """It names no amount that could be billed."""
    grant()
    request = invoice()
    first = task_named("billing.apply")(request=request)
    conflict = task_named("billing.apply")(request={**request, "lines": [{"id": "base", "amount": 9000}]})
    assert (conflict["outcome"], conflict["reason"]) == ("refused", "idempotency_conflict")
    assert (conflict["subtotal"], conflict["discountTotal"], conflict["total"]) == (None, None, None)
    assert task_named("billing.apply")(request=request) == first


def test_a_bulk_request_is_applied_in_its_order_and_a_bad_item_alone_is_invalid():
    """A copy in the same batch is a replay, `once` is used up by the first, another body is a conflict."""
    grant(recurrence={"type": "once"})
    first, second = invoice(), invoice()
    bad = invoice(lines=[])
    other_body = {**first, "trial": True}
    items = task_named("billing.apply_many")(request={"invoices": [first, bad, first, second, other_body]})["items"]
    assert [item["outcome"] for item in items] == ["applied", "invalid", "applied", "applied", "refused"]
    assert items[0] == items[2]
    assert [items[0]["discountTotal"], items[3]["discountTotal"]] == [800, 0]


def test_three_months_are_three_invoices_on_the_31st():
    """The window ends on April 30th, the clamped day."""
    grant(recurrence={"type": "repeating", "durationInMonths": 3})
    answers = [apply(period=each) for each in periods([*MONTHS_ON_THE_31ST, "2027-06-30"])]
    assert [answer["discountTotal"] for answer in answers] == [800, 800, 800, 0, 0]
    assert [each["cycle"] for answer in answers for each in answer["discounts"]] == [1, 2, 3]
    assert answers[3]["skipped"] == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_invoices_arrive_does_not_matter(order):
    """Three covered periods in any order, one batch or three."""
    grant(recurrence={"type": "repeating", "durationInMonths": 3})
    covered = periods(MONTHS_ON_THE_31ST[:4])
    requests = [invoice(period=covered[index]) for index in order]
    items = task_named("billing.apply_many")(request={"invoices": requests[:2]})["items"] + [
        task_named("billing.apply")(request=requests[2])
    ]
    assert [item["discountTotal"] for item in items] == [800, 800, 800]
    assert apply(period={"start": "2027-04-30", "end": "2027-05-31"})["discountTotal"] == 0


def test_an_earlier_period_that_arrives_late_moves_the_window_back():
    """`endsOn` goes back with it; a period before the start does not count."""
    grant(recurrence={"type": "repeating", "durationInMonths": 3})
    ends = [
        apply(period={"start": start, "end": end})["discounts"][0]["endsOn"]
        for start, end in (("2027-03-01", "2027-04-01"), ("2027-02-01", "2027-03-01"))
    ]
    assert ends == ["2027-06-01", "2027-05-01"]
    before = apply(period={"start": "2026-12-25", "end": "2027-01-01"})
    assert before["skipped"][0]["reason"] == "before_start"
    assert apply(period={"start": "2027-05-01", "end": "2027-06-01"})["discountTotal"] == 0


def test_a_sweep_never_changes_an_amount():
    """An invoice of a covered period that arrives late, after the discount was completed, is discounted."""
    grant(recurrence={"type": "repeating", "durationInMonths": 3}, code="OLD")
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 3})
    redeem(voucher=voucher["id"], subscription="sub_2", startsOn="2026-01-01")
    apply(subscription="sub_2", period={"start": "2026-01-01", "end": "2026-02-01"})
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    assert apply(subscription="sub_2", period={"start": "2026-03-01", "end": "2026-04-01"})["discountTotal"] == 800
    assert apply(subscription="sub_2", period={"start": "2026-04-01", "end": "2026-05-01"})["discountTotal"] == 0


def test_once_is_for_the_first_invoice_on_which_it_takes_anything_off():
    """A trial and an empty invoice do not use it up."""
    grant(recurrence={"type": "once"})
    assert apply(trial=True)["skipped"][0]["reason"] == "trial"
    assert apply(lines=[{"id": "base", "amount": -100}])["skipped"][0]["reason"] == "nothing_left"
    applied = apply()
    assert (applied["discountTotal"], applied["discounts"][0]["endsOn"]) == (800, "2027-03-01")
    assert apply()["discounts"] == apply()["skipped"] == []


def test_invoices_of_one_period_share_one_fixed_allowance():
    """999 in all, over three invoices of one period, in one batch or not; the next period has its own."""
    grant(priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 500}})
    small, large = [{"id": "a", "amount": 600}], [{"id": "a", "amount": 5000}]
    items = task_named("billing.apply_many")(request={"invoices": [invoice(lines=small), invoice(lines=large)]})[
        "items"
    ]
    third = apply(lines=large)
    assert [item["discountTotal"] for item in items] == [600, 399]
    assert third["skipped"][0]["reason"] == "nothing_left"
    assert apply(lines=large, currency="EUR")["discountTotal"] == 0
    following = apply(lines=large, period={"start": "2027-03-01", "end": "2027-04-01"})
    assert (following["discountTotal"], following["discounts"][0]["cycle"]) == (999, 2)


def test_a_percentage_applies_to_each_invoice_of_a_period():
    """And they are one cycle."""
    grant()
    first, second = apply(), apply()
    assert [first["discountTotal"], second["discountTotal"]] == [800, 800]
    assert [first["discounts"][0]["cycle"], second["discounts"][0]["cycle"]] == [1, 1]


def test_discounts_are_applied_restricted_ones_first_then_in_the_order_redeemed():
    """Each works on what the ones before it left."""
    everything = grant(priceDiscountPercentage=10)
    fixed = grant(priceDiscount={"amount": 500, "currency": "USD"})
    restricted = grant(priceDiscountPercentage=50, restrictions={"products": ["prod_a"]})
    answer = apply(
        lines=[{"id": "a", "amount": 2000, "product": "prod_a"}, {"id": "b", "amount": 1000, "product": "prod_b"}]
    )
    assert [each["discount"] for each in answer["discounts"]] == [
        restricted["discount"],
        everything["discount"],
        fixed["discount"],
    ]
    assert [each["amount"] for each in answer["discounts"]] == [1000, 200, 500]
    assert answer["lines"] == [
        {"id": "a", "amount": 2000, "discount": 1350, "total": 650},
        {"id": "b", "amount": 1000, "discount": 350, "total": 650},
    ]


def test_discounts_of_one_bulk_redemption_keep_its_order():
    """They share one instant of decision; the identities tell them apart."""
    requests = [
        redemption(voucher=create_voucher()["id"], subscription="sub_1", startsOn="2027-01-01") for _ in range(15)
    ]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [each["discount"] for each in apply()["discounts"]] == [item["discount"] for item in items]


def test_the_order_redeemed_is_that_of_the_databases_clock():
    """Not that of the ids, which workers make by their own."""
    first, second = grant(), grant()
    with transaction() as session:
        session.execute(
            text("""
                UPDATE discounts SET created_at = created_at + interval '1 hour'
                WHERE id = (SELECT id FROM discounts ORDER BY id LIMIT 1)
            """)
        )
    assert [each["discount"] for each in apply()["discounts"]] == [second["discount"], first["discount"]]


@pytest.mark.parametrize(
    ("voucher", "fields", "reason"),
    [
        ({"restrictions": {"products": ["prod_a"]}}, {}, "product_not_eligible"),
        ({"priceDiscount": {"amount": 5, "currency": "USD"}}, {"currency": "EUR"}, "currency_mismatch"),
    ],
)
def test_what_is_skipped_says_why(voucher, fields, reason):
    """With the discount's id."""
    granted = grant(**voucher)
    assert apply(**fields)["skipped"] == [{"discount": granted["discount"], "reason": reason}]


def test_an_amount_in_another_currency_is_the_one_that_the_voucher_names():
    """899 EUR, not 999 USD converted."""
    grant(priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}})
    assert apply(currency="EUR")["discountTotal"] == 899


def test_an_invoice_without_a_period_is_of_the_day_of_its_application():
    """A one-off purchase; the fixed allowance is that of the day."""
    voucher = create_voucher(priceDiscount={"amount": 999, "currency": "USD"}, recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="order-1", currency="USD")
    request = invoice(subscription="order-1")
    del request["period"]
    answer = task_named("billing.apply")(request=request)
    assert answer["discountTotal"] == 999
    applied_on = datetime.fromisoformat(answer["appliedAt"]).date()
    assert answer["discounts"][0]["endsOn"] == (applied_on + timedelta(days=1)).isoformat()
    assert task_named("billing.apply")(request=request) == answer


def test_a_purchase_where_it_is_tomorrow_already_gets_its_discount():
    """The voucher counts from the customer's own day on; an invoice without a period is of a day in UTC."""
    far_east = timezone(timedelta(hours=14))
    requested_at = datetime.now(UTC).astimezone(far_east)
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="order-1", requestedAt=requested_at.isoformat())
    request = invoice(subscription="order-1")
    del request["period"]
    assert task_named("billing.apply")(request=request)["discountTotal"] == 800


def test_a_purchase_before_the_day_that_was_asked_for_gets_none():
    """`startsOn` is meant, in whatever calendar."""
    voucher = create_voucher(recurrence={"type": "once"})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    redeem(voucher=voucher["id"], subscription="order-1", startsOn=tomorrow.isoformat())
    request = invoice(subscription="order-1")
    del request["period"]
    assert task_named("billing.apply")(request=request)["skipped"][0]["reason"] == "before_start"


def test_a_voucher_takes_part_once_in_an_invoice():
    """Its first window is over by today, so it runs again; an invoice of both windows is discounted by the first."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    first = redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01")
    apply(period={"start": "2026-01-15", "end": "2026-02-10"})
    second = redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-02-01")
    assert second["outcome"] == "accepted"
    both = apply(period={"start": "2026-02-14", "end": "2026-03-14"})
    assert ([each["discount"] for each in both["discounts"]], both["skipped"]) == ([first["discount"]], [])
    later = apply(period={"start": "2026-03-14", "end": "2026-04-14"})
    assert [each["discount"] for each in later["discounts"]] == [second["discount"]]


def test_a_period_may_be_given_in_instants_of_the_subscriptions_own_time_zone():
    """Its local date counts: in New York it is still the 31st."""
    grant(recurrence={"type": "repeating", "durationInMonths": 1})
    period = {"start": "2027-01-31T23:00:00-05:00", "end": "2027-02-28T00:00:00-05:00"}
    assert apply(period=period)["discounts"][0]["endsOn"] == "2027-02-28"


def test_a_subscription_of_another_project_is_another_subscription():
    """Nothing of one project is visible from another."""
    grant()
    assert apply(project="other")["discounts"] == []


def test_the_ledger_has_an_entry_for_each_amount():
    """Per discount and invoice, with the period and the currency."""
    granted = grant()
    apply(invoice="inv_a")
    with transaction() as session:
        entry = session.execute(select(USAGE_ENTRIES)).one()
        discount = session.execute(select(DISCOUNTS)).one()
    assert (entry.invoice, entry.currency, entry.amount_minor) == ("inv_a", "USD", 800)
    assert (entry.period_start.isoformat(), entry.period_end.isoformat()) == ("2027-02-01", "2027-03-01")
    assert entry.discount_id == discount.id
    assert granted["discount"].startswith("dis_")


def test_money_stays_exact_at_the_largest_amounts():
    """A thousand lines of 999,999,999,999 and a third of them off."""
    grant(priceDiscountPercentage=33.33)
    lines = [{"id": str(index), "amount": 999_999_999_999} for index in range(1000)]
    answer = apply(lines=lines)
    assert answer["discountTotal"] == (999_999_999_999_000 * 3333 + 5000) // 10_000
    assert sum(line["discount"] for line in answer["lines"]) == answer["discountTotal"]
