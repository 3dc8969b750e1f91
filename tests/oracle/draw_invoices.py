"""Random invoices and their reversals."""

from datetime import date, timedelta
from typing import Any

from tests.oracle.draw_credits import credit_lines
from tests.oracle.drawn import CURRENCIES, PRODUCTS, Drawn
from tests.oracle.invoices import Invoice


def invoice(drawn: Drawn, known: dict[str, Invoice]) -> dict[str, Any]:
    """Draw an invoice: mostly a new one, or one sent again with the same body or with another."""
    if drawn.invoices and drawn.is_so(0.1):
        return sent_again(drawn)
    subscription = drawn.subscription()
    currency = drawn.currencies[subscription] if drawn.is_so(0.85) else drawn.random.choice(CURRENCIES)
    body = {
        "project": drawn.project,
        "invoice": f"inv_{len(drawn.invoices) + 1}",
        "subscription": subscription,
        "customer": drawn.random.choice(["cus_1", "cus_1", "cus_2"]),
        "currency": currency,
        **times(drawn, subscription),
        "lines": with_credits(drawn, lines(drawn), currency, known),
    }
    if drawn.is_so(0.06):
        body["trial"] = True
    drawn.invoices.append(body)
    return body


def sent_again(drawn: Drawn) -> dict[str, Any]:
    """Draw an invoice that was sent before: with another field, with a default that it left out, or as it was."""
    body = drawn.random.choice(drawn.invoices[-15:])
    if drawn.is_so(0.3):
        others = {"currency": "CHF"}, {"subscription": "sub_other"}, {"lines": [{"id": "other", "amount": 1}]}
        return {**body, **drawn.random.choice(others)}
    return {**body, "trial": body.get("trial", False)} if drawn.is_so(0.5) else body


def times(drawn: Drawn, subscription: str) -> dict[str, Any]:
    """Draw the period and the cycle of an invoice."""
    plan, here = drawn.plans[subscription], drawn.at.get(subscription, 0)
    drawn.at[subscription] = here + (1 if drawn.is_so(0.6) else 0)
    number = here + drawn.random.choice([0] * 12 + [-1, -1, -2, -4, 1, 2, 6])
    cycle = span(plan.boundary(number), plan.boundary(number + 1))
    inside = plan.boundary(number) + timedelta(days=drawn.random.randint(0, 6))
    part = span(inside, plan.boundary(number + 1))
    kind = drawn.random.random()
    if kind < 0.63:
        whole = plan.boundary(number), plan.boundary(number + 1)
        return {"period": cycle if kind < 0.55 else timestamps(drawn, *whole)}
    if kind < 0.80:
        return {"period": part, "cycle": cycle}
    if kind < 0.88:
        return {"period": part}
    if kind < 0.93:
        return {"cycle": cycle}
    if kind < 0.96:
        return {}
    away = inside + timedelta(days=drawn.random.randint(-80, 80))
    return {
        "period": span(away, away + timedelta(days=drawn.random.randint(1, 90))),
        **({"cycle": cycle} if drawn.is_so(0.3) else {}),
    }


def span(start: date, end: date) -> dict[str, str]:
    """Return a period of dates."""
    return {"start": start.isoformat(), "end": end.isoformat()}


def timestamps(drawn: Drawn, start: date, end: date) -> dict[str, str]:
    """Return a period of timestamps, whose local dates count."""
    offset = drawn.random.choice(["+14:00", "-11:00", "+05:30", "Z"])
    return {
        "start": f"{start}T{drawn.random.choice(['00:00:00', '23:59:59'])}{offset}",
        "end": f"{end}T00:00:00{offset}",
    }


def lines(drawn: Drawn) -> list[dict[str, Any]]:
    """Draw one to five lines."""
    return [line(drawn, f"line_{number}") for number in range(drawn.random.choice([1, 1, 2, 2, 3, 4, 5]))]


def line(drawn: Drawn, line_id: str) -> dict[str, Any]:
    """Draw a line, whose amount is small, usual, large, nothing or a credit."""
    between = drawn.random.choice([(1, 9), (1, 300)] + [(300, 20000)] * 5 + [(0, 0), (10**9, 10**11), (-5000, -1)])
    body: dict[str, Any] = {"id": line_id, "amount": drawn.random.randint(*between)}
    if drawn.is_so(0.6):
        body["product"] = drawn.random.choice(PRODUCTS)
    if drawn.is_so(0.1):
        body["discountable"] = False
    return body


def with_credits(
    drawn: Drawn, usual: list[dict[str, Any]], currency: str, known: dict[str, Invoice]
) -> list[dict[str, Any]]:
    """Add credit lines to the lines of some invoices, before or after them, and seldom without them."""
    if not drawn.invoices or drawn.is_so(0.6):
        return usual
    credits_ = credit_lines(drawn, currency, known)
    return drawn.random.choice([[*credits_, *usual]] * 4 + [[*usual, *credits_]] * 4 + [credits_])


def reversal(drawn: Drawn, known: dict[str, Invoice]) -> dict[str, Any]:
    """Draw a reversal of an invoice: mostly a new one, or one sent again, of the same kind or of another."""
    if drawn.reversals and drawn.is_so(0.1):
        body = drawn.random.choice(drawn.reversals)
        return {**body, "kind": "voided"} if "lines" not in body and drawn.is_so(0.3) else body
    recent = list(known.values())[-10:]
    crediting = [each for each in recent if any(credit.share for credit in each.credits)]
    reversed_invoice = drawn.random.choice(crediting if crediting and drawn.is_so(0.4) else recent).body
    kind = drawn.random.choice(["voided", "payment_failed", "charged_back", "refunded", "refunded", "refunded"])
    body = {"project": drawn.project, "invoice": reversed_invoice["invoice"], "kind": kind}
    if kind == "refunded":
        body["lines"] = refunded_lines(drawn, reversed_invoice)
    if kind == "refunded" or drawn.is_so(0.5):
        body["requestId"] = f"reversal-{len(drawn.reversals)}"
    drawn.reversals.append(body)
    return body


def refunded_lines(drawn: Drawn, reversed_invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw refunds of some lines, in part, in full, or of more than there is."""
    chosen = [each for each in reversed_invoice["lines"] if each["amount"] > 0 and drawn.is_so(0.7)]
    refunds = [
        {"id": each["id"], "amount": drawn.random.choice([each["amount"], drawn.random.randint(1, each["amount"])])}
        for each in chosen
    ]
    if drawn.is_so(0.03):
        credits_ = [each for each in reversed_invoice["lines"] if each["creditOf"]]
        refunds += [{"id": each["id"], "amount": drawn.random.randint(1, -each["amount"])} for each in credits_]
    if drawn.is_so(0.03):
        refunds.append({"id": "missing", "amount": 1})
    return refunds or [{"id": "line_0", "amount": 1}]
