"""The model of random histories: `billing.apply`."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from tests.histories.combining import clash
from tests.histories.crediting import credit_refusal, give_credits
from tests.histories.discounting import Discount, Taken, amounts_of, split
from tests.histories.entities import Entry, Json, written
from tests.histories.model import Model


def apply(model: Model, body: Json, *, at: datetime, answered: Json | None = None) -> Json:
    """Answer `billing.apply`. The ids of entries are those of the answer, which a preview does not have."""
    names = ("project", "invoice", "subscription", "currency")
    head = {"object": "invoiceDiscount", **{name: body[name] for name in names}}
    key = ("apply", body["project"], body["invoice"])
    nothing: Json = dict.fromkeys(("subtotal", "discountTotal", "total", "refusedLine", "appliedAt", "reversed"))
    nothing |= {name: [] for name in ("lines", "discounts", "credits", "skipped", "notices")}
    stored = model.replay(key, body=body, conflict={**head, **nothing})
    if stored is not None:
        return stored if stored["outcome"] == "refused" else {**stored, "reversed": model.latest_reversal(body)}
    refused = credit_refusal(model, body)
    if refused is not None:
        return {**head, **nothing, "outcome": "refused", **refused}
    credited = give_credits(model, body, shown=(answered or {}).get("credits", []), at=at)
    granted = [each for each in model.granted_to(body) if each.ended_at is None]
    notices = notices_about(body, granted=granted, at=at)
    discounts, skipped = discount_invoice(body, granted=granted, at=at)
    note_discounts(model, body, granted=granted, discounts=discounts, at=at)
    answer = {
        **head,
        "outcome": "applied",
        "reason": None,
        "refusedLine": None,
        **amounts_of_invoice(body, discounts=discounts, credited=credited),
        "discounts": discounts,
        "credits": credited,
        "skipped": skipped,
        "notices": notices,
        "appliedAt": written(at),
        "reversed": None,
    }
    return model.remember(key, body=body, answer=answer, at=at)


def note_discounts(
    model: Model, body: Json, *, granted: Sequence[Discount], discounts: Sequence[Json], at: datetime
) -> None:
    """Add the discounts of an invoice to the ledger, in the order of application, and complete those that are over."""
    by_id = {each.id: each for each in granted}
    for part in discounts:
        each = by_id[part["discount"]]
        each.has_updated_at = True
        model.entries.append(
            Entry(
                discount=each,
                ref=body["invoice"],
                ref_type="invoice",
                at=at,
                usage=1,
                amount=part["amount"],
                currency=body["currency"],
            )
        )
    # Other discounts are completed by a sweep, or with the next request on their subscription.
    model.complete([each for each in granted if each.is_over_at_once()], at=at)


def amounts_of_invoice(body: Json, *, discounts: Sequence[Json], credited: Sequence[Json]) -> Json:
    """Return the sums of an answer, and its lines. The share of a credit line is a negative discount."""
    off = {line["id"]: sum(each["lines"].get(line["id"], 0) for each in discounts) for line in body["lines"]}
    off |= {each["line"]: -each["discountShare"] for each in credited}
    subtotal = sum(line["amount"] for line in body["lines"])
    return {
        "subtotal": subtotal,
        "discountTotal": sum(off.values()),
        "total": subtotal - sum(off.values()),
        "lines": [
            {
                "id": line["id"],
                "amount": line["amount"],
                "discount": off[line["id"]],
                "total": line["amount"] - off[line["id"]],
            }
            for line in body["lines"]
        ],
    }


def discount_invoice(invoice: Json, *, granted: Sequence[Discount], at: datetime) -> tuple[list[Json], list[Json]]:
    """Discount an invoice, and return `discounts` and `skipped` of the answer."""
    start, end = cycle_of(invoice, today=at.date())
    left = {
        line["id"]: line["amount"] for line in invoice["lines"] if line.get("discountable", True) and line["amount"] > 0
    }
    discounts: list[Json] = []
    terms_applied: list[Json] = []
    skipped: list[Json] = []
    taking_part: list[Discount] = []
    vouchers: set[str] = set()
    for each in granted:
        if each.is_over_for(start) or each.voucher in vouchers:
            continue
        taking_part.append(each)
        if starts_on(each, invoice=invoice) < end:
            vouchers.add(each.voucher)
    for each in sorted(taking_part, key=lambda each: (each.terms.get("priority", 500), not each.is_restricted)):
        covered = [line["id"] for line in invoice["lines"] if each.is_for(line.get("product"))]
        eligible = sum(line["amount"] for line in invoice["lines"] if line["id"] in covered and line["id"] in left)
        options: Json = {"covers_a_line": bool(covered), "beside": terms_applied, "eligible": eligible}
        reason = skip_reason(each, invoice=invoice, start=start, end=end, **options)
        base = {} if reason else {line: left[line] for line in covered if left.get(line, 0) > 0}
        amount = (
            min(
                sum(base.values()),
                each.worth(sum(base.values()), currency=invoice["currency"], start=start),
                *(cap for cap in each.caps(invoice["currency"]) if cap is not None),
                *([each.left_in(invoice["currency"])] if each.total else []),
            )
            if base
            else 0
        )
        if amount == 0:
            skipped.append({"discount": each.id, "voucher": each.voucher, "reason": reason or "nothing_left"})
            continue
        parts = {line: part for line, part in zip(base, split(amount, list(base.values())), strict=True) if part}
        for line, part in parts.items():
            left[line] -= part
        phase = each.phase_at(start)
        each.taken.append(
            Taken(
                invoice=invoice["invoice"],
                subscription=invoice["subscription"],
                at=at,
                start=start,
                end=end,
                currency=invoice["currency"],
                amount=amount,
                phase=phase,
            )
        )
        terms_applied.append(each.terms)
        discounts.append(shown_part(each, parts=parts, currency=invoice["currency"], phase=phase))
    return discounts, skipped


def shown_part(discount: Discount, *, parts: dict[str, int], currency: str, phase: int | None) -> Json:
    """Return a discount's part of an answer."""
    ends_on = discount.ends_on()
    return {
        "discount": discount.id,
        "voucher": discount.voucher,
        "amount": sum(parts.values()),
        "lines": parts,
        "cycle": len(discount.starts),
        "phase": phase,
        "fullPriceFrom": ends_on and ends_on.isoformat(),
        "debitBalance": discount.left_in(currency) if discount.total else None,
    }


def skip_reason(
    discount: Discount,
    *,
    invoice: Json,
    start: date,
    end: date,
    covers_a_line: bool,
    beside: Sequence[Json],
    eligible: int,
) -> str | None:
    """Return why a discount that is not over takes no part, in the contract's order, or None.

    `beside` has the terms of the discounts that took something off, `eligible` the sum of its lines before discounts.
    """
    price, caps = amounts_of(discount.price_at(start)), discount.caps(invoice["currency"])
    minimum = discount.minimum
    rows = {
        "trial": invoice["trial"],
        "before_start": end <= starts_on(discount, invoice=invoice),
        "product_not_eligible": not covers_a_line,
        "currency_mismatch": None in caps
        or any(amounts and invoice["currency"] not in amounts for amounts in (price, discount.total)),
        "minimum_subtotal_not_met": minimum is not None
        and (invoice["currency"] != minimum["currency"] or eligible < minimum["amount"]),
        "not_combinable": clash(discount.terms, beside),
        "budget_spent": 0 in caps,
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def starts_on(discount: Discount, *, invoice: Json) -> date:
    """Return the day from which a discount counts, in the customer's time zone or, without a date, in UTC."""
    is_dated = invoice.get("cycle") or invoice.get("period")
    return discount.starts_on if is_dated else discount.starts_on_in_utc


def cycle_of(invoice: Json, *, today: date) -> tuple[date, date]:
    """Return an invoice's billing cycle: its period if it names no cycle, and today if it names neither."""
    cycle = invoice.get("cycle") or invoice.get("period")
    if cycle is None:
        return today, today + timedelta(days=1)
    return date.fromisoformat(cycle["start"]), date.fromisoformat(cycle["end"])


def notices_about(invoice: Json, *, granted: Sequence[Discount], at: datetime) -> list[str]:
    """Return the notices of the answer. Call it before the invoice is discounted."""
    if invoice.get("cycle"):
        return []
    start, _ = cycle_of(invoice, today=at.date())
    taken = [each for discount in granted if discount.terms["recurrence"]["type"] != "once" for each in discount.taken]
    # A discount that was moved has discounted cycles of another subscription too.
    here = [each for each in taken if each.subscription == invoice["subscription"]]
    cycles = [(each.start, each.end) for each in here]
    came = [each.elsewhere for each in granted if each.elsewhere and each.terms["recurrence"]["type"] != "once"]
    cycles += [
        (max(each.starts), each.last_end)
        for each in came
        if each.last_end and each.subscription == invoice["subscription"]
    ]
    return ["period_inside_cycle"] if any(first < start < end for first, end in cycles) else []
