"""The fields of the answers to invoices, as docs/contract.md lists them."""

from typing import Any

from tests.oracle.discounts import Discount, Entry


def told(discount: Discount, entry: Entry) -> dict[str, Any]:
    """Return how an answer names what a discount took off."""
    end = discount.full_price_from()
    return {
        "discount": discount.id,
        "voucher": discount.voucher.id,
        "amount": entry.amount,
        "lines": entry.parts,
        "cycle": len(discount.starts()),
        "fullPriceFrom": end and end.isoformat(),
        "debitBalance": discount.balance(entry.currency) if discount.voucher.carries_over else None,
    }


def left_out(discount: Discount, reason: str) -> dict[str, Any]:
    """Return how an answer names a discount that takes nothing off."""
    return {"discount": discount.id, "voucher": discount.voucher.id, "reason": reason}


def answered(
    body: dict[str, Any],
    rests: dict[str, int],
    taken: list[dict[str, Any]],
    skipped: list[dict[str, Any]],
    notices: list[str],
) -> dict[str, Any]:
    """Return the answer to a new invoice."""
    lines = [
        {"id": id_, "amount": amount, "discount": amount - rests[id_], "total": rests[id_]}
        for id_, amount in ((each["id"], each["amount"]) for each in body["lines"])
    ]
    return {
        **heading(body),
        "outcome": "applied",
        "reason": None,
        "refusedLine": None,
        "subtotal": sum(each["amount"] for each in lines),
        "discountTotal": sum(each["discount"] for each in lines),
        "total": sum(each["total"] for each in lines),
        "lines": lines,
        "discounts": taken,
        "credits": [],
        "skipped": skipped,
        "notices": notices,
        "reversed": None,
    }


def conflict(body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a used invoice id with another body."""
    empty: dict[str, Any] = {name: [] for name in ("lines", "discounts", "credits", "skipped", "notices")}
    sums = dict.fromkeys(("refusedLine", "subtotal", "discountTotal", "total", "reversed"))
    return {**heading(body), "outcome": "refused", "reason": "idempotency_conflict", **sums, **empty}


def heading(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that an answer repeats from the request."""
    return {
        "object": "invoiceDiscount",
        **{each: body[each] for each in ("project", "invoice", "subscription", "currency")},
    }
