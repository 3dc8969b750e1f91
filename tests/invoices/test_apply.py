"""`billing.apply`: the answer, replays, the ledger, and the order of discounts."""

import pytest
from sqlalchemy import func, select, text

from models.discounts.discount import DISCOUNTS
from models.invoices.ledger import INVOICE_DISCOUNTS, USAGE_ENTRIES
from tests.invoices.calls import grant_for_product_a
from tests.support.administrator import as_administrator
from tests.support.requests import apply, create_voucher, invoice, redeem, redemption
from tests.support.tasks import task_named
from worker.database import transaction

pytestmark = pytest.mark.usefixtures("database")

LINES_BY_PRODUCT = {"a": {"product": "prod_a"}, "b": {"product": "prod_b"}, "none": {}}


def stored(table) -> int:
    """Return the number of rows of a table."""
    with transaction() as session:
        return session.execute(select(func.count()).select_from(table)).scalar_one()


def test_an_applied_invoice_is_answered_with_every_field():
    """A fixed discount of 2.99 on lines of 43.00 and 37.00 is split into 1.61 and 1.38."""
    granted = grant_for_product_a(
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
        "refusedLine": None,
        "project": "gigs",
        "invoice": "inv_a",
        "subscription": "sub_1",
        "currency": "USD",
        "notices": [],
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
                "phase": None,
                "fullPriceFrom": "2027-04-30",
                "debitBalance": None,
            }
        ],
        "credits": [],
        "skipped": [],
        "reversed": None,
    }


def test_an_invoice_without_discounts_is_applied_with_nothing_taken_off():
    """The answer stays the same when a discount is granted later."""
    request = invoice()
    answer = task_named("billing.apply")(request=request)
    assert (answer["outcome"], answer["discountTotal"], answer["discounts"]) == ("applied", 0, [])
    grant_for_product_a()
    assert task_named("billing.apply")(request=request) == answer


def test_the_same_invoice_is_discounted_once():
    """The first answer is replayed, and nothing is written."""
    grant_for_product_a()
    request = invoice()
    answers = [task_named("billing.apply")(request=request) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert (stored(USAGE_ENTRIES), stored(INVOICE_DISCOUNTS)) == (1, 1)


def test_the_same_invoice_with_another_body_is_refused():
    """The refusal has no amount that could be billed."""
    grant_for_product_a()
    request = invoice()
    first = task_named("billing.apply")(request=request)
    conflict = task_named("billing.apply")(request={**request, "lines": [{"id": "base", "amount": 9000}]})
    assert (conflict["outcome"], conflict["reason"]) == ("refused", "idempotency_conflict")
    assert (conflict["subtotal"], conflict["discountTotal"], conflict["total"]) == (None, None, None)
    assert task_named("billing.apply")(request=request) == first


def test_a_bulk_request_is_applied_in_its_order_and_a_bad_item_alone_is_invalid():
    """A copy in the same batch is a replay, another body is a conflict, and a `once` is for the first invoice."""
    grant_for_product_a(recurrence={"type": "once"})
    first, second = invoice(), invoice()
    bad = invoice(lines=[])
    other_body = {**first, "trial": True}
    items = task_named("billing.apply_many")(request={"invoices": [first, bad, first, second, other_body]})["items"]
    assert [item["outcome"] for item in items] == ["applied", "invalid", "applied", "applied", "refused"]
    assert items[0] == items[2]
    assert [items[0]["discountTotal"], items[3]["discountTotal"]] == [800, 0]


def test_restricted_discounts_come_first_then_the_order_redeemed():
    """Each applies to the rest that the earlier discounts left."""
    everything = grant_for_product_a(priceDiscountPercentage=10)
    fixed = grant_for_product_a(priceDiscount={"amount": 500, "currency": "USD"})
    restricted = grant_for_product_a(priceDiscountPercentage=50, restrictions={"products": ["prod_a"]})
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


def test_excluded_products_are_never_discounted():
    """Such a discount comes with the restricted ones, and is skipped if no line is left for it."""
    everything = grant_for_product_a(priceDiscountPercentage=10)
    but_b = grant_for_product_a(priceDiscountPercentage=50, restrictions={"excludedProducts": ["prod_b"]})
    a, b, none = ({"id": each, "amount": 1000, **more} for each, more in LINES_BY_PRODUCT.items())
    answer = apply(lines=[a, b, none])
    assert [(each["discount"], each["lines"]) for each in answer["discounts"]] == [
        (but_b["discount"], {"a": 500, "none": 500}),
        (everything["discount"], {"a": 50, "b": 100, "none": 50}),
    ]
    answer = apply(lines=[b])
    assert [(each["discount"], each["reason"]) for each in answer["skipped"]] == [
        (but_b["discount"], "product_not_eligible")
    ]
    assert [each["amount"] for each in answer["discounts"]] == [100]


def test_discounts_of_one_bulk_redemption_keep_its_order():
    """They have the same instant of decision, so their ids decide."""
    requests = [
        redemption(voucher=create_voucher()["id"], subscription="sub_1", startsOn="2027-01-01") for _ in range(15)
    ]
    items = task_named("redemptions.redeem_many")(request={"requests": requests})["items"]
    assert [each["discount"] for each in apply()["discounts"]] == [item["discount"] for item in items]


def test_the_order_redeemed_is_that_of_the_databases_clock():
    """The ids come from the clocks of workers, which may differ."""
    first, second = grant_for_product_a(), grant_for_product_a()
    with as_administrator() as session:
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
def test_a_skipped_discount_has_a_reason(voucher, fields, reason):
    """The answer has the discount's id and a reason."""
    granted = grant_for_product_a(**voucher)
    assert apply(**fields)["skipped"] == [
        {"discount": granted["discount"], "voucher": granted["voucher"], "reason": reason}
    ]


def test_the_amount_in_another_currency_is_named_by_the_voucher():
    """The invoice gets EUR 8.99, not USD 9.99 converted."""
    grant_for_product_a(priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 899}})
    assert apply(currency="EUR")["discountTotal"] == 899


def test_a_subscription_of_another_project_is_another_subscription():
    """Nothing of a project is visible from another."""
    grant_for_product_a()
    assert apply(project="other")["discounts"] == []


def test_the_ledger_has_an_entry_for_each_amount():
    """An entry has the discount, the invoice, the period, the currency and the amount."""
    granted = grant_for_product_a()
    apply(invoice="inv_a")
    with transaction() as session:
        entry = session.execute(select(USAGE_ENTRIES)).one()
        discount = session.execute(select(DISCOUNTS)).one()
    assert (entry.invoice, entry.currency, entry.amount_minor) == ("inv_a", "USD", 800)
    assert (entry.period_start.isoformat(), entry.period_end.isoformat()) == ("2027-02-01", "2027-03-01")
    assert entry.discount_id == discount.id
    assert granted["discount"].startswith("dis_")


def test_money_stays_exact_at_the_largest_amounts():
    """A thousand lines of 9,999,999,999.99 get a third off."""
    grant_for_product_a(priceDiscountPercentage=33.33)
    lines = [{"id": str(index), "amount": 999_999_999_999} for index in range(1000)]
    answer = apply(lines=lines)
    assert answer["discountTotal"] == (999_999_999_999_000 * 3333 + 5000) // 10_000
    assert sum(line["discount"] for line in answer["lines"]) == answer["discountTotal"]


def test_a_credit_is_not_discounted_and_reduces_no_discount():
    """So the total of an invoice may be negative, and its line totals are what tax is computed from."""
    voucher = create_voucher(priceDiscountPercentage=50)
    redeem(voucher=voucher["id"], subscription="sub_credit", startsOn="2027-01-01")
    lines = [{"id": "base", "amount": 1_000}, {"id": "credit", "amount": -2_000}]
    answer = apply(subscription="sub_credit", lines=lines)
    assert (answer["subtotal"], answer["discountTotal"], answer["total"]) == (-1_000, 500, -1_500)
    assert [(each["discount"], each["total"]) for each in answer["lines"]] == [(500, 500), (0, -2_000)]
