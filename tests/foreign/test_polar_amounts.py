"""A fixed discount of Polar with amounts in several currencies, and the limit for each customer."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.polar import ENDPOINT, ENDPOINT_FIXED, ORGANIZATION, create, ours, reference
from tests.support.bad_requests import fields_of
from tests.support.database_between_tests import violations
from tests.support.requests import apply, create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

SEVERAL = {name: value for name, value in ENDPOINT_FIXED.items() if name not in {"amount", "currency"}}


def update(discount: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Change the discount."""
    answer: dict[str, Any] = task_named("polar.discounts.update")(request={**reference(discount), **changes})
    return answer


@pytest.mark.parametrize(
    ("amounts", "currency"),
    [({"usd": 1000, "eur": 900}, "usd"), ({"gbp": 800, "eur": 900}, "eur"), ({"jpy": 0}, "jpy")],
)
def test_the_main_amount_is_in_dollars_or_else_in_the_first_currency(amounts, currency):
    """As in Polar's answers, which keep both fields of earlier versions."""
    made = create(SEVERAL, amounts=amounts)
    assert (made["amounts"], made["currency"], made["amount"]) == (amounts, currency, amounts[currency])
    assert task_named("polar.discounts.retrieve")(request=reference(made)) == made


def test_the_order_of_the_amounts_is_of_no_importance():
    """A redelivery may have another one."""
    first, *others = (
        task_named("polar.discounts.create")
        .apply(kwargs={"request": {**SEVERAL, "amounts": amounts}}, task_id="one")
        .get()
        for amounts in ({"gbp": 800, "eur": 900, "chf": 1}, {"chf": 1, "eur": 900, "gbp": 800})
    )
    assert others == [first]


def test_a_null_currency_is_the_default():
    """Polar documents null with `amounts`, and accepts it with `amount` too."""
    assert create(ENDPOINT_FIXED, currency=None)["currency"] == "usd"
    assert create(SEVERAL, code=None, amounts={"eur": 5}, amount=None, currency=None)["amounts"] == {"eur": 5}


def test_each_currency_gives_its_own_amount():
    """An amount of 0 in a further currency takes nothing off. The audit agrees."""
    made = create(SEVERAL, duration="forever", amounts={"usd": 1000, "eur": 900, "gbp": 0})
    totals = []
    for currency in ("USD", "EUR", "GBP"):
        whose = {"project": ORGANIZATION, "customer": currency, "subscription": currency, "currency": currency}
        redeem(voucher=made["id"], **whose)
        totals.append(apply(invoice=currency, **whose)["discountTotal"])
    assert totals == [1000, 900, 0]
    task_named("vouchers.forecast")(request={"project": ORGANIZATION, "voucher": ours(made)["id"]})
    assert update(made, name="Another")["amounts"] == made["amounts"]
    assert violations() == []


def test_a_percentage_ignores_amounts():
    """As it ignores every field of the other schemas."""
    assert "amounts" not in create(ENDPOINT, amounts={})


def test_amounts_have_the_decimals_of_stripe():
    """Polar writes ISK and UGX with two decimals and MGA without. It is answered what was sent."""
    made = create(SEVERAL, amounts={"isk": 50_000, "mga": 500, "jpy": 500, "usd": 500})
    here = {"amount": 500, "currency": "USD", "currencyOptions": {"ISK": 500, "JPY": 500, "MGA": 50_000}}
    assert ours(made)["priceDiscount"] == here
    assert made["amounts"] == {"isk": 50_000, "jpy": 500, "mga": 500, "usd": 500}
    changed = update(made, currency="isk", amount=700)
    assert (changed["amount"], changed["currency"], ours(made)["priceDiscount"]["amount"]) == (700, "isk", 7)
    assert changed["amounts"] == {"isk": 700, "jpy": 500, "mga": 500}
    assert update(made, currency="mga")["amounts"] == {"jpy": 500, "mga": 700}
    assert ours(made)["priceDiscount"]["amount"] == 70_000


def test_an_amount_that_cannot_be_written_there_is_rounded():
    """Ours can have parts of an ariary."""
    voucher = create_voucher(project=ORGANIZATION, priceDiscount={"amount": 1_050, "currency": "MGA"})
    shown = task_named("polar.discounts.retrieve")(request={"organization_id": ORGANIZATION, "id": voucher["id"]})
    assert (shown["amount"], shown["amounts"]) == (11, {"mga": 11})


@pytest.mark.parametrize(
    ("price", "fields"),
    [
        ({"amount": 150, "currency": "isk"}, ["amount"]),
        ({"amount": 10**11, "currency": "mga"}, ["amount"]),
        ({"amounts": {"usd": 1, "ugx": 101, "isk": 99}}, ["amounts.ugx", "amounts.isk"]),
    ],
)
def test_an_amount_that_no_amount_here_equals_is_refused(price, fields):
    """The error names the amount, also of an update."""
    assert fields_of(task_named("polar.discounts.create"), {**SEVERAL, **price}) == fields
    made = create(SEVERAL, amounts={"usd": 1})
    with pytest.raises(InvalidRequest) as refused:
        update(made, **price)
    assert [error["field"] for error in refused.value.errors] == fields
    assert ours(made)["priceDiscount"]["amount"] == 1


def test_the_limit_for_each_customer_holds():
    """It is that of our vouchers, and can be changed."""
    made = create(ENDPOINT, max_redemptions_per_customer=1)
    assert ours(made)["restrictions"]["maximumRedemptionsPerCustomer"] == 1

    def reason(subscription: str) -> Any:
        answer = redeem(project=ORGANIZATION, code="DISCOUNT", customer="cus_1", subscription=subscription)
        return answer.get("reason")

    assert [reason("sub_1"), reason("sub_2")] == [None, "customer_limit_reached"]
    update(made, max_redemptions_per_customer=2)
    assert reason("sub_3") is None
    assert update(made, max_redemptions_per_customer=None)["max_redemptions_per_customer"] is None
