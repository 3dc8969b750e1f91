"""Updates of discounts in the format of Polar: the fields that were sent change, by the rules of `vouchers.update`."""

from typing import Any

import pytest

from tasks.codes.text_holders import CODE_IS_TAKEN
from tasks.wire.errors import InvalidRequest, NotFound
from tests.foreign.polar import DOCUMENTED, ENDPOINT, ENDPOINT_FIXED, ORGANIZATION, PROMO, create, ours, reference
from tests.support.bad_requests import SECRET
from tests.support.concurrency import at_once
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

FULL: dict[str, Any] = {
    **ENDPOINT_FIXED,
    "starts_at": "2026-01-01T00:00:00Z",
    "ends_at": "2099-01-01T00:00:00Z",
    "max_redemptions": 5,
    "products": ["prod_a"],
    "metadata": {"a": 1},
}


def update(discount: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Change the discount."""
    answer: dict[str, Any] = task_named("polar.discounts.update")(request={**reference(discount), **changes})
    return answer


def bad_fields(discount: dict[str, Any], **changes: Any) -> list[str]:
    """Send bad changes, check that nothing changes, and return the bad fields that the error names."""
    before = ours(discount)
    with pytest.raises(InvalidRequest) as refused:
        update(discount, **changes)
    assert SECRET not in str(refused.value)
    assert ours(discount) == before
    return [error["field"] for error in refused.value.errors]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Another"},
        {"code": "OTHER"},
        {"starts_at": "2026-02-01T00:00:00Z"},
        {"ends_at": "2098-01-01T00:00:00Z"},
        {"max_redemptions": 7},
        {"max_redemptions_per_customer": 2},
        {"products": ["prod_b", "prod_c"]},
        {"metadata": {"b": "2"}},
        {"amount": 999},
        {"currency": "eur"},
        {"amount": 5, "currency": "gbp", "name": "All at once", "code": "ALL"},
        {"type": "fixed", "duration": "once"},
        {},
    ],
)
def test_what_is_sent_changes_and_everything_else_stays(changes):
    """The answer has exactly the documented fields, and `modified_at` is the instant of the change."""
    made = create(FULL)
    answer = update(made, **changes)
    assert set(answer) == set(DOCUMENTED)
    assert answer["modified_at"] > answer["created_at"]
    amounts = {changes.get("currency", "usd"): changes.get("amount", 1000)}
    assert answer == {**made, "amounts": amounts, **changes, "modified_at": answer["modified_at"]}
    assert task_named("polar.discounts.retrieve")(request=reference(made)) == answer


def test_null_takes_away_what_a_discount_can_be_without():
    """Null removes the code, both dates and both limits."""
    names = ("code", "starts_at", "ends_at", "max_redemptions", "max_redemptions_per_customer")
    made = create(FULL, max_redemptions_per_customer=1)
    assert None not in [made[name] for name in names]
    answer = update(made, **dict.fromkeys(names))
    assert [answer[name] for name in names] == [None] * 5
    assert update(create(FULL), code=" ")["code"] is None


@pytest.mark.parametrize(
    "name", ["name", "type", "duration", "amount", "currency", "amounts", "basis_points", "metadata", "products"]
)
def test_null_changes_nothing_of_the_rest(name):
    """Null is the default of every field in Polar."""
    made = create(FULL)
    answer = update(made, **{name: None})
    assert answer == {**made, "modified_at": answer["modified_at"]}


def test_an_empty_list_of_products_is_all_of_them():
    """Polar does the same."""
    made = create(FULL)
    assert update(made, products=[])["products"] == []
    assert ours(made)["restrictions"]["products"] is None


def test_a_percentage_and_its_months_can_be_changed():
    """Fields of the other type are ignored."""
    made = create(PROMO, organization_id=ORGANIZATION)
    answer = update(made, basis_points=3012, duration_in_months=5, amount=7, currency="eur")
    assert answer == {**made, "basis_points": 3012, "duration_in_months": 5, "modified_at": answer["modified_at"]}
    once = create(FULL)
    answer = update(once, basis_points=5, duration_in_months=5)
    assert answer == {**once, "modified_at": answer["modified_at"]}


def test_amounts_in_other_currencies_stay():
    """`amounts` shows them. A currency that becomes the main currency is removed from them."""
    voucher = create_voucher(priceDiscount={"amount": 5, "currency": "USD", "currencyOptions": {"EUR": 4, "GBP": 3}})
    made = task_named("polar.discounts.retrieve")(request={"organization_id": "gigs", "id": voucher["id"]})
    update(made, amount=6)
    assert ours(made)["priceDiscount"] == {"amount": 6, "currency": "USD", "currencyOptions": {"EUR": 4, "GBP": 3}}
    update(made, currency="eur")
    assert ours(made)["priceDiscount"] == {"amount": 6, "currency": "EUR", "currencyOptions": {"GBP": 3}}


def test_amounts_replace_all_amounts():
    """The main currency stays if it has an amount, and is the first by the alphabet otherwise."""
    made = create(ENDPOINT_FIXED, amount=None, amounts={"usd": 5, "gbp": 3})
    for amounts, main in (({"eur": 4, "usd": 6}, "usd"), ({"gbp": 3, "eur": 0}, "eur"), ({"eur": 1, "usd": 2}, "eur")):
        answer = update(made, amounts=amounts)
        assert (answer["amounts"], answer["currency"], answer["amount"]) == (amounts, main, amounts[main])


def test_money_terms_stay_after_the_first_redemption_and_the_same_value_passes():
    """The refusal is data in our format. All other fields can still be changed."""
    made = create(FULL)
    redeem(project=ORGANIZATION, code="DISCOUNT", currency="USD", products=["prod_a"])
    for changes in ({"amount": 999}, {"currency": "eur"}):
        answer = update(made, **changes)
        assert (answer["outcome"], answer["reason"]) == ("refused", "voucher_already_redeemed")
    assert ours(made)["priceDiscount"]["amount"] == 1000
    answer = update(made, amount=1000, currency="usd", name="Another", max_redemptions=1)
    assert (answer["name"], answer["redemptions_count"], answer["max_redemptions"]) == ("Another", 1, 1)
    assert ours(made)["retiredReason"] == "maxRedemptionsReached"
    assert update(made, max_redemptions=None)["max_redemptions"] is None
    assert ours(made)["status"] == "available"


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"type": "percentage"}, ["type"]),
        ({"duration": "forever"}, ["duration"]),
        ({"duration": "repeating", "type": "percentage", "duration_in_months": 3}, ["type", "duration"]),
        ({"type": "free"}, ["type"]),
        ({"name": ""}, ["name"]),
        ({"code": "with-dash"}, ["code"]),
        ({"code": SECRET}, ["code"]),
        ({"amount": -1}, ["amount"]),
        ({"amount": "5"}, ["amount"]),
        ({"currency": "USD"}, ["currency"]),
        ({"basis_points": 0}, ["basis_points"]),
        ({"duration_in_months": 0}, ["duration_in_months"]),
        ({"max_redemptions": 0}, ["max_redemptions"]),
        ({"metadata": {"a": ""}}, ["metadata"]),
        ({"products": [""]}, ["products.0"]),
        ({"starts_at": "2099-01-02T00:00:00Z"}, ["starts_at"]),
        ({"ends_at": "2025-01-01T00:00:00Z"}, ["ends_at"]),
        ({"starts_at": "2026-01-02T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, ["ends_at"]),
        ({"amounts": {}}, ["amounts"]),
        ({"amount": 5, "amounts": {"usd": 5}}, ["amount"]),
        ({"max_redemptions_per_customer": 0}, ["max_redemptions_per_customer"]),
        ({"code": "TAKEN"}, ["code"]),
    ],
)
def test_bad_changes_change_nothing(changes, fields):
    """The error names every bad field as Polar does, even if only the start or the end of a window was sent."""
    create_voucher(project=ORGANIZATION, code="taken")
    assert bad_fields(create(FULL), **changes) == fields


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"starts_at": "2099-01-02T00:00:00Z"}, "must be earlier than ends_at"),
        ({"ends_at": "2025-01-01T00:00:00Z"}, "must be later than starts_at"),
        ({"code": "TAKEN"}, CODE_IS_TAKEN),
    ],
)
def test_what_is_wrong_is_said_in_their_words(changes, message):
    """A message names the other field as Polar does, and other words stay."""
    create_voucher(project=ORGANIZATION, code="taken")
    with pytest.raises(InvalidRequest) as refused:
        update(create(FULL), **changes)
    assert [error["message"] for error in refused.value.errors] == [message]


def test_a_limit_below_what_is_redeemed_is_a_bad_field():
    """Polar accepts such a limit, but our vouchers are never over-redeemed."""
    made = create(ENDPOINT)
    for _ in range(2):
        redeem(project=ORGANIZATION, code="DISCOUNT")
    assert bad_fields(made, max_redemptions=1) == ["max_redemptions"]


def test_what_is_not_there_or_was_deleted_is_not_found():
    """No row of one organization is visible from another."""
    made = create()
    with pytest.raises(NotFound):
        update({**made, "organization_id": "other"}, name="Another")
    task_named("polar.discounts.delete")(request=reference(made))
    with pytest.raises(NotFound):
        update(made, name="Another")
    assert ours(made)["name"] == "Discount"


def test_an_update_that_is_delivered_twice_is_made_once():
    """Another update in between does not count. Another body with the same task id is a conflict."""
    made = create(FULL)

    def deliver(task_id: str, **changes: Any) -> dict[str, Any]:
        request = {**reference(made), **changes}
        answer: dict[str, Any] = (
            task_named("polar.discounts.update").apply(kwargs={"request": request}, task_id=task_id).get()
        )
        return answer

    first = deliver("first", amount=5)
    deliver("second", amount=6, currency="eur")
    assert deliver("first", amount=5) == first
    assert task_named("polar.discounts.retrieve")(request=reference(made))["amount"] == 6
    assert deliver("first", amount=7)["reason"] == "idempotency_conflict"
    assert deliver("third", code=None)["code"] is None
    assert deliver("third")["reason"] == "idempotency_conflict"


def test_updates_at_once_are_one_after_the_other():
    """Concurrent changes of the amount and of the currency are both kept."""
    made = create(FULL)
    at_once([lambda: update(made, amount=5), lambda: update(made, currency="eur"), lambda: update(made, name="N")])
    after = task_named("polar.discounts.retrieve")(request=reference(made))
    assert (after["amount"], after["currency"], after["name"]) == (5, "eur", "N")
    same = {**reference(made), "code": "AGAIN"}
    answers = at_once(
        [lambda: task_named("polar.discounts.update").apply(kwargs={"request": same}, task_id="same").get()] * 4
    )
    assert all(answer == answers[0] for answer in answers)
    assert task_named("vouchers.retrieve")(request={"project": ORGANIZATION, "voucher": made["id"]})["code"] == "AGAIN"
