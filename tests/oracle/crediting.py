"""A second reading of what docs/contract.md says about credit lines."""

from collections import Counter
from typing import Any

from tests.oracle.invoices import Credit, Event, Invoice


def credit_lines(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the credit lines of an invoice with all defaults."""
    return [each for each in body["lines"] if each["creditOf"]]


def refusal(invoices: dict[str, Invoice], body: dict[str, Any]) -> tuple[str, str] | None:
    """Return the first credit line that is not possible, and the reason."""
    earlier: Counter[tuple[str, str]] = Counter()
    for line in credit_lines(body):
        invoice, credited = invoices.get(line["creditOf"]["invoice"]), line["creditOf"]["line"]
        earlier[line["creditOf"]["invoice"], credited] -= line["amount"]
        reason = reason_against(invoice, credited, earlier[line["creditOf"]["invoice"], credited], body["currency"])
        if reason:
            return line["id"], reason
    return None


def reason_against(invoice: Invoice | None, line: str, amount: int, currency: str) -> str | None:
    """Return the first reason that stands against crediting so much of a line."""
    if invoice is None:
        return "invoice_not_found"
    if invoice.body["currency"] != currency:
        return "currency_mismatch"
    if invoice.given_back:
        return "already_reversed"
    if line not in invoice.amounts:
        return "line_not_found"
    return "amount_exceeds_line" if amount > invoice.rest_of(line) else None


def credited(invoice: Invoice, line: dict[str, Any], at: str | None) -> Credit:
    """Carry out a credit line of another invoice."""
    of_line, amount = line["creditOf"]["line"], -line["amount"]
    parts = invoice.take_back(of_line, amount, "credited")
    pairs = zip(invoice.entries, parts, strict=True)
    shares = [(discount, entry, part) for (discount, entry), part in pairs if of_line in entry.parts]
    event = Event("credited", at)
    invoice.events.append(event)
    return Credit(line["id"], invoice, of_line, amount, shares, event)
