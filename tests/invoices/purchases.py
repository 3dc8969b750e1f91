"""Purchases of a plan with vouchers: previewed, then redeemed and billed, with all answers compared."""

from typing import Any

from tasks.invoices.preview import SHOWN
from tests.invoices.previews import plan as monthly
from tests.invoices.previews import preview
from tests.support.requests import apply, redeem

JUDGED = ("outcome", "reason", "voucher", "code")


def buy(*vouchers: dict[str, Any], plan: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Preview vouchers and a plan for cus_1 and sub_1, then redeem and bill exactly that. Return the preview.

    Each decision and each amount is compared with the preview. Without a plan, it is 80.00 USD a month.
    """
    plan = plan or monthly()
    shown = preview(subscription="sub_1", customer="cus_1", redeem=list(vouchers), plan=plan, **fields)
    answers = [redeem(**redemption_fields(each, plan=plan)) for each in vouchers]
    for answer, validated in zip(answers, shown["redeem"], strict=True):
        assert {name: answer[name] for name in JUDGED} == {name: validated[name] for name in JUDGED}
        assert validated["retryable"] is answer["retryable"]
    new = {each["voucher"]: each["discount"] for each in answers if each["discount"]}
    expected = [with_ids(each, new=new) for each in shown["periods"]]
    after = preview(subscription="sub_1", plan=plan, **fields)
    assert (after["periods"], after["fullPriceFrom"]) == (expected, shown["fullPriceFrom"])
    for each in expected:
        answer = apply(period=each["period"], trial=each["trial"], currency=plan["currency"], lines=plan["lines"])
        assert {name: answer[name] for name in SHOWN} == {name: each[name] for name in SHOWN}
    return shown


def redemption_fields(voucher: dict[str, Any], *, plan: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the redemption that a preview of the plan judges. A sum below 0 is no subtotal."""
    return {
        **voucher,
        "customer": "cus_1",
        "subscription": "sub_1",
        "products": [line["product"] for line in plan["lines"] if "product" in line],
        "currency": plan["currency"],
        "subtotal": max(0, sum(line["amount"] for line in plan["lines"])),
    }


def with_ids(period: dict[str, Any], *, new: dict[str, str]) -> dict[str, Any]:
    """Return a period of a preview, with the ids of the discounts that were granted since, by voucher."""
    return {
        **period,
        **{
            name: [{**each, "discount": each["discount"] or new[each["voucher"]]} for each in period[name]]
            for name in ("discounts", "skipped")
        },
    }
