"""Every body of the public documents runs unchanged, or its refusal names the field and the contract says why."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tasks.wire.errors import InvalidRequest
from tests.foreign.polar import ORGANIZATION
from tests.foreign.public_bodies import SYSTEMS, PublicBody, bodies_of
from tests.foreign.stripe import DOCUMENTED as COUPON
from tests.support.requests import create_voucher, redeem
from tests.support.tasks import task_named

pytestmark = pytest.mark.usefixtures("database")

CONTRACT = Path("docs/contract.md")
ACCOUNT = "P12345678"
PRICE = "A fixed discount has either `amount` and `currency` or `amounts`."
BOUNDS = "A limit is at least 1."
READ_ONLY = "A field that only Gigs' answers have is refused."


NO_COUPON = "promotion_code.promotion.coupon"
# Those of the fields that only answers have that are fields of some request here. The others are named `?`.
ANSWERED = {"object", "id", "priceDiscountPercentage", "status"}


class Refusal(NamedTuple):
    """The bad fields that the refusal names, and the sentence of the contract."""

    fields: set[str]
    sentence: str


# Polar's own tests expect that it refuses the bodies of this table, except for those of the list and of an answer.
REFUSED = {
    "gigs: voucher object": Refusal(ANSWERED, READ_ONLY),
    "gigs: older voucher object": Refusal(ANSWERED, READ_ONLY),
    "polar: limit of 0 for each customer": Refusal({"max_redemptions_per_customer"}, BOUNDS),
    "polar: empty amounts": Refusal({"amounts"}, PRICE),
    "polar: fixed with basis points": Refusal({"amount"}, PRICE),
    "polar: fixed of the SDK of 2026": Refusal({"amount"}, PRICE),
    "polar: fixed of the SDK of 2025": Refusal({"amount"}, PRICE),
    "polar: no type": Refusal({"type"}, "`type` and `duration` select the schema and must be given."),
    "polar: no duration": Refusal({"duration"}, "`type` and `duration` select the schema and must be given."),
    "polar: percentage as an amount": Refusal(
        {"duration", "basis_points"}, "`type` and `duration` select the schema and must be given."
    ),
    "polar: list of several organizations": Refusal(
        {"organization_id"}, "`organization_id` is the project, a single one."
    ),
    "stripe: deleted coupon": Refusal({"coupon.deleted"}, "A deleted coupon is refused."),
    "stripe: deleted fixture": Refusal({"coupon.deleted"}, "A deleted coupon is refused."),
    "stripe: promotion code of the fixtures": Refusal({NO_COUPON}, "The coupon has to be imported first."),
    "stripe: promotion code of the beta fixtures": Refusal({NO_COUPON}, "The coupon has to be imported first."),
}
# Fields that are ignored because Polar does not know them either.
IGNORED = {"polar: update of a limit with another name": {"redemptions_limit"}}
BODIES = [each for system in SYSTEMS for each in bodies_of(system)]


def named(body: PublicBody) -> str:
    """Return the name of a body as the id of its test."""
    return body.name


def _project_beside(body: PublicBody) -> dict[str, Any]:
    """Return the request: the body with the parameters that the contract puts beside it."""
    system, action = body.task.split(".")[0], body.task.split(".")[-1]
    if body.task == "stripe.promotion_codes.import":
        task_named("stripe.coupons.import")(request={"project": "gigs", "coupon": {**COUPON, "id": "nVJYDOag"}})
        return {"project": "gigs", "promotion_code": body.body}
    if system == "stripe":
        return {"project": "gigs", "coupon": body.body}
    if system == "dintero":
        return {"aid": ACCOUNT, "did": _used_voucher(), **body.body}
    if system == "gigs":
        own = {"project": "gigs"}
        return {**own, **body.body, **({"voucher": create_voucher()["id"]} if action in {"retrieve", "retire"} else {})}
    own = {"organization_id": ORGANIZATION, **body.body}
    if action in {"create", "list"}:
        return own
    fixed = {"organization_id": ORGANIZATION, "name": "Discount", "type": "fixed", "duration": "once", "amount": 500}
    return {**own, "id": task_named("polar.discounts.create")(request=fixed)["id"]}


def _used_voucher() -> str:
    voucher = create_voucher(project=ACCOUNT, priceDiscount={"amount": 500, "currency": "USD"})
    redeem(project=ACCOUNT, voucher=voucher["id"], currency="USD")
    task_named("usages.record")(
        request={
            "project": ACCOUNT,
            "voucher": voucher["id"],
            "customer": "cus_1",
            "ref": "receipt-1",
            "refType": "receipt_add",
            "usage": 1,
            "amount": 30,
            "currency": "USD",
        }
    )
    return str(voucher["id"])


def _fields_in(answer: Any) -> set[str]:
    item = answer[0] if isinstance(answer, list) else answer
    found = set(item)
    for name, value in item.items():
        inner = value[0] if isinstance(value, list) and value else value
        found |= {f"{name}.{each}" for each in inner} if isinstance(inner, dict) else set()
    return found


@pytest.mark.parametrize("body", [each for each in BODIES if each.name not in REFUSED], ids=named)
def test_a_body_of_the_public_documents_runs_unchanged(body):
    """The answer has the documented fields, and repeats the values that were sent."""
    request = _project_beside(body)
    answer = task_named(body.task)(request=request)
    if body.task == "polar.discounts.delete":
        assert answer is None
        return
    assert not isinstance(answer, dict) or answer.get("outcome") != "refused"
    assert set(body.fields) - _fields_in(answer) == set()
    if body.task == "stripe.coupons.import":
        assert answer == {**answer, **_voucher_of(body.body)}
    elif body.task == "stripe.promotion_codes.import":
        assert (answer["code"], answer["status"], answer["customer"]) == (body.body["code"], "available", None)
    elif body.task.split(".")[-1] in {"create", "update"}:
        months = {"duration_in_months"} if body.body.get("duration") in {"once", "forever"} else set()
        repeated = set(body.body) - months - IGNORED.get(body.name, set())
        assert {name: answer[name] for name in repeated} == {name: body.body[name] for name in repeated}


def _voucher_of(coupon: dict[str, Any]) -> dict[str, Any]:
    """Return what the document says that the coupon is, in the words of a voucher."""
    months = coupon["duration_in_months"] if coupon["duration"] == "repeating" else None
    return {
        "name": coupon["name"] or coupon["id"],
        "code": coupon["id"],
        "priceDiscount": None,
        "priceDiscountPercentage": coupon["percent_off"],
        "recurrence": {
            "type": coupon["duration"],
            "durationInMonths": months,
            "durationInCycles": None,
            "phases": None,
        },
        "redemptions": coupon["times_redeemed"],
        "metadata": coupon["metadata"],
    }


@pytest.mark.parametrize("body", [each for each in BODIES if each.name in REFUSED], ids=named)
def test_a_body_that_cannot_run_is_refused_by_the_field_and_the_contract_says_so(body):
    """Most of these bodies are refused by the other system too."""
    refusal = REFUSED[body.name]
    with pytest.raises(InvalidRequest) as refused:
        task_named(body.task)(request=_project_beside(body))
    named_fields = {error["field"] for error in refused.value.errors}
    assert refusal.fields <= named_fields
    assert refusal.sentence in re.sub(r"\s+", " ", CONTRACT.read_text(encoding="utf-8"))


def test_each_exception_is_of_a_body():
    """A body that was renamed or removed leaves no exception behind."""
    names = {each.name for each in BODIES}
    assert REFUSED.keys() | IGNORED.keys() <= names
    assert len(names) == len(BODIES)
