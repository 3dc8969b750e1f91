"""A second reading of what docs/contract.md says about `billing.reverse`."""

from datetime import date
from fractions import Fraction
from typing import Any

from tests.oracle.amounts import half_up, split
from tests.oracle.discounts import Discount
from tests.oracle.oracle import Invoice, Oracle

# Discounts with the amounts that a reversal takes back.
Taken = list[tuple[Discount, int]]


def reverse(oracle: Oracle, body: dict[str, Any], today: date) -> dict[str, Any]:
    """Return the answer to a reversal, without the ids and the instant that the database generates."""
    request_id, invoice = body.get("requestId"), oracle.invoices[body["invoice"]]
    first = oracle.reversals.get(request_id) if request_id else None
    if first:
        return first[1] if first[0] == body else refused(body, "idempotency_conflict")
    answer = decided(oracle, invoice, body, today)
    if request_id:
        oracle.reversals[request_id] = body, answer
    return answer


def decided(oracle: Oracle, invoice: Invoice, body: dict[str, Any], today: date) -> dict[str, Any]:
    """Return the answer to a reversal whose request id is new."""
    if invoice.given_back and invoice.given_back[0] == body["kind"]:
        return invoice.given_back[1]
    oracle.complete_those_over(invoice.body["subscription"], today)
    reason = refusal(invoice, body)
    return refused(body, reason) if reason else carried_out(oracle, invoice, body, today)


def refusal(invoice: Invoice, body: dict[str, Any]) -> str | None:
    """Return the first reason that stands against the reversal."""
    if invoice.given_back:
        return "already_reversed"
    amounts = {each["id"]: each["amount"] for each in invoice.body["lines"]}
    has_rest = any(amount > invoice.refunded.get(line, 0) for line, amount in amounts.items())
    if invoice.refunded and body["kind"] != "refunded" and not (body["kind"] == "charged_back" and has_rest):
        return "already_refunded"
    lines = body.get("lines", [])
    if any(each["id"] not in amounts for each in lines):
        return "line_not_found"
    if any(each["amount"] > amounts[each["id"]] - invoice.refunded.get(each["id"], 0) for each in lines):
        return "amount_exceeds_line"
    return None


def carried_out(oracle: Oracle, invoice: Invoice, body: dict[str, Any], today: date) -> dict[str, Any]:
    """Carry out a reversal and return the answer."""
    if body["kind"] == "refunded":
        taken, lines = refund(invoice, body["lines"])
    else:
        taken, lines = give_back(invoice)
    taken.sort(key=lambda each: oracle.on(invoice.body["subscription"]).index(each[0]))
    for discount, _ in taken:
        run_again(oracle, invoice.body["subscription"], discount, body["kind"], today)
    answer = {
        "object": "reversal",
        "project": body["project"],
        "invoice": body["invoice"],
        "requestId": body.get("requestId"),
        "outcome": "reversed",
        "reason": None,
        "kind": body["kind"],
        **{each: invoice.body[each] for each in ("subscription", "customer", "currency")},
        "amount": sum(each["amount"] for each in lines),
        "lines": lines,
        "discountTotal": sum(amount for _, amount in taken),
        "discounts": [told(discount, amount) for discount, amount in taken],
    }
    if body["kind"] != "refunded":
        invoice.given_back = body["kind"], answer
    return answer


def give_back(invoice: Invoice) -> tuple[Taken, list[dict[str, Any]]]:
    """Reverse what refunds have left, as if the invoice had never been, and return the parts and the lines."""
    amounts = {each["id"]: each["amount"] for each in invoice.body["lines"]}
    rests = {line: amount - invoice.refunded.get(line, 0) for line, amount in amounts.items()}
    left = {line: rest for line, rest in rests.items() if rest or line not in invoice.refunded}
    shares = {line: sum(entry.rest_of(line) for _, entry in invoice.entries) for line in left}
    taken = []
    for discount, entry in invoice.entries:
        if left.keys() & entry.parts:
            taken.append((discount, entry.rest))
            entry.stands = False
    return taken, [{"id": line, "amount": rest, "discountShare": shares[line]} for line, rest in left.items()]


def refund(invoice: Invoice, lines: list[dict[str, Any]]) -> tuple[Taken, list[dict[str, Any]]]:
    """Refund lines, and return each discount's part and the lines with their shares."""
    amounts = {each["id"]: each["amount"] for each in invoice.body["lines"]}
    parts = [0] * len(invoice.entries)
    shares: dict[str, int] = {}
    for line, amount in ((each["id"], each["amount"]) for each in lines):
        invoice.refunded[line] = invoice.refunded.get(line, 0) + amount
        discounted = sum(entry.parts.get(line, 0) for _, entry in invoice.entries)
        rests = {number: entry.rest_of(line) for number, (_, entry) in enumerate(invoice.entries)}
        due = half_up(Fraction(discounted * invoice.refunded[line], amounts[line]))
        shares[line] = due - (discounted - sum(rests.values()))
        for number, part in split(shares[line], rests).items():
            entry = invoice.entries[number][1]
            entry.refunded[line] = entry.refunded.get(line, 0) + part
            parts[number] += part
    refunded = {each["id"] for each in lines}
    pairs = zip(invoice.entries, parts, strict=True)
    taken = [(discount, part) for (discount, entry), part in pairs if refunded & set(entry.parts)]
    return taken, [{**each, "discountShare": shares[each["id"]]} for each in lines]


def run_again(oracle: Oracle, subscription: str, discount: Discount, kind: str, today: date) -> None:
    """Let a completed discount run again, unless its voucher runs on the subscription through another redemption."""
    if discount.status != "completed" or discount.is_over(today):
        return
    if kind == "refunded" and not discount.voucher.carries_over:
        return
    if not any(each.voucher is discount.voucher and each.status == "running" for each in oracle.on(subscription)):
        discount.status = "running"


def told(discount: Discount, amount: int) -> dict[str, Any]:
    """Return how an answer names what a reversal took back."""
    end = discount.full_price_from()
    return {
        "discount": discount.id,
        "voucher": discount.voucher.id,
        "amount": amount,
        "status": discount.status,
        "cycles": len(discount.starts()),
        "fullPriceFrom": end and end.isoformat(),
    }


def refused(body: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return the answer to a reversal that is not possible."""
    nothing = dict.fromkeys(("id", "subscription", "customer", "currency", "amount", "discountTotal", "reversedAt"))
    return {
        "object": "reversal",
        **{each: body.get(each) for each in ("project", "invoice", "requestId", "kind")},
        "outcome": "refused",
        "reason": reason,
        **nothing,
        "lines": [],
        "discounts": [],
    }
