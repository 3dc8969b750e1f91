"""The fields of the answers to invoices, as docs/contract.md lists them."""

from typing import Any

from tests.oracle.discounts import Discount, Entry
from tests.oracle.invoices import Credit


def told(discount: Discount, entry: Entry) -> dict[str, Any]:
    """Return how an answer names what a discount took off."""
    end = discount.full_price_from()
    return {
        "discount": discount.id,
        "voucher": discount.voucher.id,
        "amount": entry.amount,
        "lines": entry.parts,
        "cycle": discount.cycles(),
        "phase": entry.phase,
        "fullPriceFrom": end and end.isoformat(),
        "debitBalance": discount.balance(entry.currency) if discount.voucher.total else None,
    }


def left_out(discount: Discount, reason: str) -> dict[str, Any]:
    """Return how an answer names a discount that takes nothing off."""
    return {"discount": discount.id, "voucher": discount.voucher.id, "reason": reason}


def answered(
    body: dict[str, Any],
    rests: dict[str, int],
    *,
    taken: list[dict[str, Any]],
    credits_: list[Credit],
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
        "credits": [credit_told(each) for each in credits_],
        "skipped": skipped,
        "notices": notices,
        "reversed": None,
    }


def credit_told(credit: Credit) -> dict[str, Any]:
    """Return how an answer names a credit, without the ids that the database generates."""
    return {
        "line": credit.line,
        "creditOf": {"invoice": credit.of.body["invoice"], "line": credit.of_line},
        "amount": credit.amount,
        "discountShare": credit.share,
        "discounts": [
            {"discount": discount.id, "voucher": discount.voucher.id, "amount": part}
            for discount, _, part in credit.shares
        ],
    }


def refused(body: dict[str, Any], reason: str, line: str | None = None) -> dict[str, Any]:
    """Return the answer to an invoice that is refused, with the credit line that is the cause."""
    empty: dict[str, Any] = {name: [] for name in ("lines", "discounts", "credits", "skipped", "notices")}
    sums = dict.fromkeys(("subtotal", "discountTotal", "total", "reversed"))
    return {**heading(body), "outcome": "refused", "reason": reason, "refusedLine": line, **sums, **empty}


def heading(body: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that an answer repeats from the request."""
    return {
        "object": "invoiceDiscount",
        **{each: body[each] for each in ("project", "invoice", "subscription", "currency")},
    }
