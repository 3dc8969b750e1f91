"""Random credit lines."""

from typing import Any

from tests.oracle.drawn import PRODUCTS, Drawn
from tests.oracle.invoices import Invoice

Body = dict[str, Any]


def credit_lines(drawn: Drawn, currency: str, known: dict[str, Invoice]) -> list[Body]:
    """Draw one to three credit lines, mostly of amounts that earlier invoices in the currency have left."""
    drawn_before: dict[tuple[str, str], int] = {}
    lines = []
    for number in range(drawn.random.choice([1, 1, 1, 2, 2, 3])):
        invoice = credited_invoice(drawn, currency, known)
        line = credited_line(drawn, invoice, known.get(invoice["invoice"]))
        key = invoice["invoice"], line["id"]
        rest = rest_of(invoice, line, known) - drawn_before.get(key, 0)
        amount = amount_of(drawn, rest)
        drawn_before[key] = drawn_before.get(key, 0) + amount
        lines.append(credit_line(drawn, f"credit_{number}", amount, key))
    return lines


def credited_invoice(drawn: Drawn, currency: str, known: dict[str, Invoice]) -> Body:
    """Draw the invoice to credit, which is mostly in the currency, discounted, and was not given back."""
    recent = drawn.invoices[-12:]
    same = [each for each in recent if each["currency"] == currency]
    undecided = [each for each in same[-2:] if each["invoice"] not in known]
    creditable = [each for each in same if each["invoice"] in known and has_rest(known[each["invoice"]])]
    discounted = [each for each in creditable if known[each["invoice"]].entries]
    if discounted and drawn.is_so(0.75):
        most = max(len(known[each["invoice"]].entries) for each in discounted)
        by_several = [each for each in discounted if len(known[each["invoice"]].entries) == most]
        return drawn.random.choice(by_several if drawn.is_so(0.5) else discounted)
    return drawn.random.choice(creditable + undecided if creditable and drawn.is_so(0.85) else recent)


def has_rest(invoice: Invoice) -> bool:
    """Return whether a line can be credited."""
    return not invoice.given_back and any(invoice.rest_of(line) > 0 for line in invoice.amounts)


def credited_line(drawn: Drawn, invoice: Body, decided: Invoice | None) -> Body:
    """Draw the line to credit: mostly a discounted one, seldom one without an amount that is left."""
    positive = [each for each in invoice["lines"] if each["amount"] > 0]
    parts = {line for _, entry in (decided.entries if decided else []) for line in entry.parts}
    discounted = [each for each in positive if each["id"] in parts]
    if discounted and drawn.is_so(0.7):
        return drawn.random.choice(discounted)
    return drawn.random.choice(positive if positive and drawn.is_so(0.95) else invoice["lines"])


def rest_of(invoice: Body, line: Body, known: dict[str, Invoice]) -> int:
    """Return what is left of a line."""
    decided = known.get(invoice["invoice"])
    amount: int = line["amount"]
    return decided.rest_of(line["id"]) if decided and line["id"] in decided.amounts else amount


def amount_of(drawn: Drawn, rest: int) -> int:
    """Draw an amount: small, a part, the whole rest, or more than that."""
    if rest < 1 or drawn.is_so(0.05):
        return max(rest, 0) + drawn.random.randint(1, 50)
    return drawn.random.choice([drawn.random.randint(1, min(rest, 5)), *[drawn.random.randint(1, rest)] * 3, rest])


def credit_line(drawn: Drawn, id_: str, amount: int, credited: tuple[str, str]) -> Body:
    """Return a credit line, seldom one of an invoice or a line that does not exist."""
    invoice, line = credited
    if drawn.is_so(0.02):
        # The invoice itself, or one that never comes.
        invoice = drawn.random.choice([f"inv_{len(drawn.invoices) + 1}", "missing"])
    if drawn.is_so(0.02):
        line = "missing"
    body: Body = {"id": id_, "amount": -amount, "creditOf": {"invoice": invoice, "line": line}}
    if drawn.is_so(0.2):
        body["product"] = drawn.random.choice(PRODUCTS)
    if drawn.is_so(0.1):
        body["discountable"] = False
    return body
