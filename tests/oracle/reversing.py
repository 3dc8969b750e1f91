"""A second reading of what docs/contract.md says about `billing.reverse`."""

from datetime import date
from typing import Any

from tests.oracle.discounts import Discount, run_again
from tests.oracle.invoices import Event, Invoice
from tests.oracle.oracle import Oracle

# Discounts with the amounts that a reversal takes back.
Taken = list[tuple[Discount, int]]


def reverse(oracle: Oracle, body: dict[str, Any], today: date, at: str | None) -> dict[str, Any]:
    """Return the answer to a reversal, without the ids and the instant that the database generates."""
    request_id, invoice = body.get("requestId"), oracle.invoices[body["invoice"]]
    first = oracle.reversals.get(request_id) if request_id else None
    if first:
        return first[1] if first[0] == body else refused(body, "idempotency_conflict")
    answer = decided(oracle, invoice, body, today, at)
    if request_id:
        oracle.reversals[request_id] = body, answer
    return answer


def decided(oracle: Oracle, invoice: Invoice, body: dict[str, Any], today: date, at: str | None) -> dict[str, Any]:
    """Return the answer to a reversal whose request id is new."""
    if invoice.given_back and invoice.given_back[0] == body["kind"]:
        return invoice.given_back[1]
    subscriptions = {each.body["subscription"] for each in (invoice, *(credit.of for credit in invoice.credits))}
    for each in subscriptions:
        oracle.complete_those_over(each, today)
    reason = refusal(invoice, body)
    if reason:
        return refused(body, reason)
    invoice.events.append(Event(body["kind"], at))
    own, taken_back, lines = carried_out(invoice, body)
    # In the order in which the discounts came.
    own.sort(key=lambda each: each[0].id)
    for discount, _ in own:
        run_again(discount, oracle.on(invoice.body["subscription"]), body["kind"], today)
    for each in subscriptions:
        oracle.complete_those_over(each, today)
    answer = answered(invoice, body, own + taken_back, lines)
    if body["kind"] != "refunded":
        invoice.given_back = body["kind"], answer
    return answer


def refusal(invoice: Invoice, body: dict[str, Any]) -> str | None:
    """Return the first reason that stands against the reversal."""
    if invoice.given_back:
        return "already_reversed"
    is_refunded = invoice.refunded.total() > 0
    has_rest = any(invoice.rest_of(line) > 0 for line in invoice.amounts)
    is_left = has_rest or bool(invoice.answer["credits"])
    if is_refunded and body["kind"] != "refunded" and not (is_left and body["kind"] == "charged_back"):
        return "already_refunded"
    lines = body.get("lines", [])
    if any(each["id"] not in invoice.amounts for each in lines):
        return "line_not_found"
    if any(each["amount"] > invoice.rest_of(each["id"]) for each in lines):
        return "amount_exceeds_line"
    return None


def carried_out(invoice: Invoice, body: dict[str, Any]) -> tuple[Taken, Taken, list[dict[str, Any]]]:
    """Carry out a reversal: return the parts of the invoice's discounts and of its credits, and the lines."""
    if body["kind"] == "refunded":
        own, lines = refund(invoice, body["lines"])
        return own, [], lines
    own, lines = give_back(invoice)
    taken_back = []
    for credit in invoice.credits:
        parts = credit.take_back()
        taken_back += [(discount, -part) for discount, part in parts]
        line = next(each for each in lines if each["id"] == credit.line)
        line["discountShare"] = -sum(part for _, part in parts)
    return own, taken_back, lines


def answered(invoice: Invoice, body: dict[str, Any], taken: Taken, lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the answer to a reversal that was carried out."""
    return {
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
        "actor": body.get("actor"),
    }


def give_back(invoice: Invoice) -> tuple[Taken, list[dict[str, Any]]]:
    """Reverse what refunds and credits have left, as if the invoice had never been: return the parts and the lines."""
    rests = {line: invoice.rest_of(line) for line in invoice.amounts}
    left = {line: rest for line, rest in rests.items() if not 0 < invoice.refunded[line] == invoice.amounts[line]}
    shares = {line: sum(entry.rest_of(line) for _, entry in invoice.entries) for line in left}
    taken = []
    for discount, entry in invoice.entries:
        if left.keys() & entry.parts:
            taken.append((discount, entry.rest))
            entry.stands = False
    return taken, [{"id": line, "amount": rest, "discountShare": shares[line]} for line, rest in left.items()]


def refund(invoice: Invoice, lines: list[dict[str, Any]]) -> tuple[Taken, list[dict[str, Any]]]:
    """Refund lines, and return each discount's part and the lines with their shares."""
    shares = {each["id"]: invoice.take_back(each["id"], each["amount"], "refunded") for each in lines}
    taken = [
        (discount, sum(parts[number] for parts in shares.values()))
        for number, (discount, entry) in enumerate(invoice.entries)
        if shares.keys() & entry.parts
    ]
    return taken, [{**each, "discountShare": sum(shares[each["id"]])} for each in lines]


def told(discount: Discount, amount: int) -> dict[str, Any]:
    """Return how an answer names what a reversal took back."""
    end = discount.full_price_from()
    return {
        "discount": discount.id,
        "voucher": discount.voucher.id,
        "amount": amount,
        "status": discount.status,
        "cycles": discount.cycles(),
        "fullPriceFrom": end and end.isoformat(),
    }


def refused(body: dict[str, Any], reason: str) -> dict[str, Any]:
    """Return the answer to a reversal that is not possible."""
    nothing = dict.fromkeys(
        ("id", "subscription", "customer", "currency", "amount", "discountTotal", "actor", "reversedAt")
    )
    return {
        "object": "reversal",
        **{each: body.get(each) for each in ("project", "invoice", "requestId", "kind")},
        "outcome": "refused",
        "reason": reason,
        **nothing,
        "lines": [],
        "discounts": [],
    }
