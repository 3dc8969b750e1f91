"""`billing.apply`: the periods that a discount covers, in any order of arrival."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise, permutations

import pytest

from tests.invoices.calls import grant_for_product_a
from tests.support.requests import apply, create_voucher, invoice, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

MONTHS_ON_THE_31ST = ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"]


def periods(starts: list[str]) -> list[dict]:
    """Return the periods between consecutive days."""
    return [{"start": start, "end": end} for start, end in pairwise(starts)]


def test_three_months_are_three_invoices_on_the_31st():
    """The window ends on April 30th, because April is too short."""
    grant_for_product_a(recurrence={"type": "repeating", "durationInMonths": 3})
    answers = [apply(period=each) for each in periods([*MONTHS_ON_THE_31ST, "2027-06-30"])]
    assert [answer["discountTotal"] for answer in answers] == [800, 800, 800, 0, 0]
    assert [each["cycle"] for answer in answers for each in answer["discounts"]] == [1, 2, 3]
    assert answers[3]["skipped"] == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_in_which_invoices_arrive_does_not_matter(order):
    """Three covered periods arrive in any order, two of them in a batch."""
    grant_for_product_a(recurrence={"type": "repeating", "durationInMonths": 3})
    covered = periods(MONTHS_ON_THE_31ST[:4])
    requests = [invoice(period=covered[index]) for index in order]
    items = task_named("billing.apply_many")(request={"invoices": requests[:2]})["items"] + [
        task_named("billing.apply")(request=requests[2])
    ]
    assert [item["discountTotal"] for item in items] == [800, 800, 800]
    assert apply(period={"start": "2027-04-30", "end": "2027-05-31"})["discountTotal"] == 0


def test_an_earlier_period_that_arrives_late_moves_the_window_back():
    """`fullPriceFrom` moves back too. A period before `startsOn` does not count."""
    grant_for_product_a(recurrence={"type": "repeating", "durationInMonths": 3})
    ends = [
        apply(period={"start": start, "end": end})["discounts"][0]["fullPriceFrom"]
        for start, end in (("2027-03-01", "2027-04-01"), ("2027-02-01", "2027-03-01"))
    ]
    assert ends == ["2027-06-01", "2027-05-01"]
    before = apply(period={"start": "2026-12-25", "end": "2027-01-01"})
    assert before["skipped"][0]["reason"] == "before_start"
    assert apply(period={"start": "2027-05-01", "end": "2027-06-01"})["discountTotal"] == 0


def test_a_sweep_never_changes_an_amount():
    """An invoice of a covered period that arrives after the discount was completed is discounted."""
    grant_for_product_a(recurrence={"type": "repeating", "durationInMonths": 3}, code="OLD")
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 3})
    redeem(voucher=voucher["id"], subscription="sub_2", startsOn="2026-01-01")
    apply(subscription="sub_2", period={"start": "2026-01-01", "end": "2026-02-01"})
    assert task_named("expiry.sweep")(request={})["completed"] == 1
    assert apply(subscription="sub_2", period={"start": "2026-03-01", "end": "2026-04-01"})["discountTotal"] == 800
    assert apply(subscription="sub_2", period={"start": "2026-04-01", "end": "2026-05-01"})["discountTotal"] == 0


def test_once_is_for_the_first_invoice_on_which_it_takes_anything_off():
    """A trial or an empty invoice does not use up the `once`."""
    grant_for_product_a(recurrence={"type": "once"})
    assert apply(trial=True)["skipped"][0]["reason"] == "trial"
    assert apply(lines=[{"id": "base", "amount": -100}])["skipped"][0]["reason"] == "nothing_left"
    applied = apply()
    assert (applied["discountTotal"], applied["discounts"][0]["fullPriceFrom"]) == (800, "2027-03-01")
    assert apply()["discounts"] == apply()["skipped"] == []


def test_invoices_of_one_period_share_one_fixed_allowance():
    """Three invoices of a period share 9.99, in a batch or not. The next period has its own allowance."""
    grant_for_product_a(priceDiscount={"amount": 999, "currency": "USD", "currencyOptions": {"EUR": 500}})
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
    """Both invoices are the same cycle."""
    grant_for_product_a()
    first, second = apply(), apply()
    assert [first["discountTotal"], second["discountTotal"]] == [800, 800]
    assert [first["discounts"][0]["cycle"], second["discounts"][0]["cycle"]] == [1, 1]


def test_a_voucher_is_applied_once_to_an_invoice():
    """Its first window has ended, so it runs again. An invoice that both windows cover is discounted by the first."""
    voucher = create_voucher(recurrence={"type": "repeating", "durationInMonths": 1})
    first = redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-01-01")
    apply(period={"start": "2026-01-15", "end": "2026-02-10"})
    second = redeem(voucher=voucher["id"], subscription="sub_1", startsOn="2026-02-01")
    assert second["outcome"] == "accepted"
    both = apply(period={"start": "2026-02-14", "end": "2026-03-14"})
    assert ([each["discount"] for each in both["discounts"]], both["skipped"]) == ([first["discount"]], [])
    later = apply(period={"start": "2026-03-14", "end": "2026-04-14"})
    assert [each["discount"] for each in later["discounts"]] == [second["discount"]]


def test_a_voucher_redeemed_again_gives_nothing_more_in_the_same_yearly_period():
    """The first discount covers the whole year. The second takes part in the next one."""
    voucher = create_voucher(
        priceDiscount={"amount": 1_000, "currency": "USD"}, recurrence={"type": "repeating", "durationInMonths": 1}
    )
    year = {"start": "2025-01-01", "end": "2026-01-01"}
    first = redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2025-01-01")
    answers = [apply(period=year)]
    second = redeem(voucher=voucher["id"], subscription="sub_1", currency="USD", startsOn="2025-11-01")
    answers += [apply(period=year), apply(period=year)]
    assert [each["discountTotal"] for each in answers] == [1_000, 0, 0]
    nothing_left = [{"discount": first["discount"], "voucher": first["voucher"], "reason": "nothing_left"}]
    assert [each["skipped"] for each in answers] == [[], nothing_left, nothing_left]
    following = apply(period={"start": "2026-01-01", "end": "2027-01-01"})
    assert [each["discount"] for each in following["discounts"]] == [second["discount"]]


def test_an_invoice_without_a_period_belongs_to_the_day_of_its_application():
    """For a one-off purchase, the fixed allowance is that of the day."""
    voucher = create_voucher(priceDiscount={"amount": 999, "currency": "USD"}, recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="order-1", currency="USD")
    request = invoice(subscription="order-1")
    del request["period"]
    answer = task_named("billing.apply")(request=request)
    assert answer["discountTotal"] == 999
    applied_on = datetime.fromisoformat(answer["appliedAt"]).date()
    assert answer["discounts"][0]["fullPriceFrom"] == (applied_on + timedelta(days=1)).isoformat()
    assert task_named("billing.apply")(request=request) == answer


def test_a_customer_for_whom_it_is_tomorrow_already_gets_the_discount():
    """The voucher counts from the customer's own day, but an invoice without a period belongs to a day in UTC."""
    far_east = timezone(timedelta(hours=14))
    requested_at = datetime.now(UTC).astimezone(far_east)
    voucher = create_voucher(recurrence={"type": "once"})
    redeem(voucher=voucher["id"], subscription="order-1", requestedAt=requested_at.isoformat())
    request = invoice(subscription="order-1")
    del request["period"]
    assert task_named("billing.apply")(request=request)["discountTotal"] == 800


def test_a_purchase_before_an_explicit_start_gets_no_discount():
    """An explicit `startsOn` counts in any time zone."""
    voucher = create_voucher(recurrence={"type": "once"})
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    redeem(voucher=voucher["id"], subscription="order-1", startsOn=tomorrow.isoformat())
    request = invoice(subscription="order-1")
    del request["period"]
    assert task_named("billing.apply")(request=request)["skipped"][0]["reason"] == "before_start"


def test_a_period_may_be_given_in_instants_of_the_subscriptions_own_time_zone():
    """The local date counts: in New York it is still January 31st."""
    grant_for_product_a(recurrence={"type": "repeating", "durationInMonths": 1})
    period = {"start": "2027-01-31T23:00:00-05:00", "end": "2027-02-28T00:00:00-05:00"}
    assert apply(period=period)["discounts"][0]["fullPriceFrom"] == "2027-02-28"
