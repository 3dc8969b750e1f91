"""A fixed discount of Polar with the amount 0, which takes nothing off."""

from typing import Any

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.polar import ENDPOINT_FIXED, ORGANIZATION, create, ours, reference
from tests.support.database_between_tests import violations
from tests.support.imports import TWO_CYCLES, import_discount
from tests.support.requests import apply, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")


def zero(**changes: Any) -> dict[str, Any]:
    """Create a discount of 0 for ever."""
    return create(ENDPOINT_FIXED, amount=0, duration="forever", **changes)


def invoiced(*, number: int = 1, currency: str = "USD") -> dict[str, Any]:
    """Return the answer to an invoice of the customer who has the discount."""
    return apply(
        project=ORGANIZATION, customer="cus_1", subscription="sub_1", invoice=f"inv_{number}", currency=currency
    )


def redeemed(discount: dict[str, Any]) -> dict[str, Any]:
    """Redeem the discount."""
    return redeem(project=ORGANIZATION, voucher=discount["id"], customer="cus_1", subscription="sub_1", currency="USD")


def test_it_is_shown_as_it_was_sent():
    """Through our own tasks too."""
    discount = zero()
    assert (discount["type"], discount["amount"], discount["currency"]) == ("fixed", 0, "usd")
    assert task_named("polar.discounts.retrieve")(request=reference(discount)) == discount
    assert ours(discount)["priceDiscount"] == {"amount": 0, "currency": "USD", "currencyOptions": {}}


def test_it_is_redeemed_and_takes_nothing_off():
    """The invoice says so, and neither a forecast nor the audit stumbles over it."""
    discount = zero()
    assert redeemed(discount)["outcome"] == "accepted"
    answer = invoiced()
    assert (answer["discountTotal"], [each["reason"] for each in answer["skipped"]]) == (0, ["nothing_left"])
    forecast = task_named("vouchers.forecast")(request={"project": ORGANIZATION, "voucher": discount["id"]})
    assert all(each["amounts"] == {} for each in forecast["months"])
    assert violations() == []


def test_it_is_updated():
    """Another field leaves the amount, and the amount can be raised and lowered."""
    discount = zero()

    def update(**fields: Any) -> Any:
        return task_named("polar.discounts.update")(request={**reference(discount), **fields})

    assert update(name="Nothing")["amount"] == 0
    by_us = {"project": ORGANIZATION, "voucher": discount["id"], "campaign": "nothing"}
    assert task_named("vouchers.update")(request=by_us)["priceDiscount"]["amount"] == 0
    assert update(amount=5)["amount"] == 5
    assert update(amount=0)["amount"] == 0


@pytest.mark.parametrize("carry_over", [False, True])
def test_a_further_currency_gives_its_own_amount(carry_over):
    """A part of it uses up no part of nothing."""
    discount = zero()
    price = {"amount": 1, "currency": "USD", "currencyOptions": {"EUR": 500}}
    body = {"project": ORGANIZATION, "voucher": discount["id"], "carryOver": carry_over}
    task_named("vouchers.update")(request={**body, "priceDiscount": price})
    task_named("polar.discounts.update")(request={**reference(discount), "amount": 0})
    assert redeemed(discount)["outcome"] == "accepted"
    totals = [
        invoiced(number=number, currency=currency)["discountTotal"]
        for number, currency in enumerate(("USD", "EUR", "USD"))
    ]
    assert totals == [0, 500, 0]
    task_named("vouchers.forecast")(request={"project": ORGANIZATION, "voucher": discount["id"]})
    assert violations() == []


def test_a_balance_of_nothing_cannot_have_given_anything_elsewhere():
    """As no balance can have given more than its amount."""
    discount = zero()
    task_named("vouchers.update")(request={"project": ORGANIZATION, "voucher": discount["id"], "carryOver": True})
    with pytest.raises(InvalidRequest) as refused:
        import_discount(discount["id"], project=ORGANIZATION, **TWO_CYCLES, taken={"USD": 1})
    assert [error["field"] for error in refused.value.errors] == ["taken"]
    assert import_discount(discount["id"], project=ORGANIZATION, **TWO_CYCLES)["outcome"] == "imported"
    assert invoiced()["discountTotal"] == 0
    assert violations() == []


def test_a_discount_of_nothing_that_gave_something_elsewhere_is_forecast_by_that():
    """As any other discount, although it gives nothing here. It is no balance, so nothing rules that out."""
    discount = zero()
    import_discount(discount["id"], project=ORGANIZATION, **TWO_CYCLES, taken={"USD": 700})
    request = {"project": ORGANIZATION, "voucher": discount["id"]}
    assert task_named("vouchers.forecast")(request=request)["totals"].keys() == {"USD"}
    assert violations() == []


@pytest.mark.parametrize("task", ["vouchers.create", "vouchers.update"])
def test_our_own_tasks_refuse_an_amount_of_nothing(task):
    """There it is rather a mistake."""
    body = {"project": ORGANIZATION, "priceDiscount": {"amount": 0, "currency": "USD"}}
    body |= (
        {"name": "Nothing", "recurrence": {"type": "once"}} if task == "vouchers.create" else {"voucher": zero()["id"]}
    )
    with pytest.raises(InvalidRequest) as refused:
        task_named(task)(request=body)
    assert [error["field"] for error in refused.value.errors] == ["priceDiscount.amount"]
