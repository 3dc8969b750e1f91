"""The model of random histories: credit lines, and how they are taken back with their invoice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from tests.histories.discounting import Discount, Taken
from tests.histories.ending import ends_on, status_by
from tests.histories.entities import Credit, Entry, Json, Reversal
from tests.histories.model import Model
from tests.histories.running_again import let_run_again, place_of
from tests.histories.sharing import is_given_back, left_of, parts_of, refunded_of


def credit_lines(invoice: Json) -> list[Json]:
    """Return the credit lines of an invoice, in order."""
    return [line for line in invoice["lines"] if "creditOf" in line]


def credit_refusal(model: Model, invoice: Json) -> Json | None:
    """Return reason and line of the first credit that is not possible, or None. Earlier lines of the invoice count."""
    credited_here: Counter[tuple[str, str]] = Counter()
    for line in credit_lines(invoice):
        of = (line["creditOf"]["invoice"], line["creditOf"]["line"])
        reason = reason_against(model, invoice, line, credited_here=credited_here[of])
        if reason is not None:
            return {"reason": reason, "refusedLine": line["id"]}
        credited_here[of] -= line["amount"]
    return None


def reason_against(model: Model, invoice: Json, line: Json, *, credited_here: int) -> str | None:
    """Return why a credit line is not possible, in the contract's order, or None."""
    place, name = (invoice["project"], line["creditOf"]["invoice"]), line["creditOf"]["line"]
    if ("apply", *place) not in model.answered:
        return "invoice_not_found"
    _, credited = model.answered["apply", *place]
    earlier = model.reversals.get(place, [])
    billed = {each["id"]: each["amount"] for each in credited["lines"]}
    rows = {
        "currency_mismatch": credited["currency"] != invoice["currency"],
        "already_reversed": is_given_back(earlier),
        "line_not_found": name not in billed,
        "amount_exceeds_line": refunded_of(name, earlier) + credited_here - line["amount"] > billed.get(name, 0),
    }
    return next((reason for reason, is_so in rows.items() if is_so), None)


def give_credits(model: Model, invoice: Json, *, shown: Sequence[Json], at: datetime) -> list[Json]:
    """Give back the share of each credit line, and return `credits` of the answer. The ids are those that are shown."""
    ids = {each["line"]: {one["discount"]: one for one in each["discounts"]} for each in shown}
    return [give_credit(model, invoice, line, ids=ids.get(line["id"], {}), at=at) for line in credit_lines(invoice)]


def give_credit(model: Model, invoice: Json, line: Json, *, ids: dict[str, Json], at: datetime) -> Json:
    """Give back the share of a credit line, and return its part of the answer."""
    place, name = (invoice["project"], line["creditOf"]["invoice"]), line["creditOf"]["line"]
    request, credited = model.answered["apply", *place]
    earlier = model.reversals.setdefault(place, [])
    (billed,) = [each["amount"] for each in credited["lines"] if each["id"] == name]
    parts = parts_of(
        name,
        -line["amount"],
        billed=billed,
        discounts=credited["discounts"],
        earlier=earlier,
        anew=model.anew.get((*place, name)),
    )
    new = Reversal(
        invoice=place[1], kind="credited", at=at, lines={name: -line["amount"]}, parts={name: parts}, answer={}
    )
    earlier.append(new)
    applied = [each["discount"] for each in credited["discounts"]]
    touched = sorted([each for each in model.discounts if each.id in parts], key=lambda each: applied.index(each.id))
    given = [(each, replace(taken_on(each, place[1]), amount=parts[each.id])) for each in touched]
    model.credits.append(
        Credit(project=place[0], invoice=invoice["invoice"], line=line["id"], reversal=new, given=given)
    )
    note_shares(model, invoice, given=given, sign=-1, at=at)
    shares = dict(given)
    # A total that was not used up goes on, and a share of 0 refills nothing.
    refilled = [each for each in touched if each.total and each.is_completed and shares[each].amount]
    for each in [each for each in touched if each not in refilled]:
        each.credited.append(shares[each])
    refilled.sort(key=lambda each: each.id)
    let_run_again(
        model,
        refilled,
        change=lambda each: each.credited.append(shares[each]),
        places=[request, *map(place_of, refilled)],
        at=at,
    )
    return {
        "line": line["id"],
        "creditOf": line["creditOf"],
        "amount": -line["amount"],
        "discountShare": sum(parts.values()),
        "discounts": [
            {
                "discount": each.id,
                "voucher": each.voucher,
                "usage": model.entry_id(*key_of(invoice, line["id"], each), shown=ids.get(each.id, {}).get("usage")),
                "reverses": model.entry_id("invoice", *place, each.id, shown=ids.get(each.id, {}).get("reverses")),
                "amount": parts[each.id],
            }
            for each in touched
        ],
    }


def key_of(invoice: Json, line: str, discount: Discount) -> tuple[str, ...]:
    """Return the key of the entry of a credit line for a discount."""
    return ("credit", invoice["project"], invoice["invoice"], line, discount.id)


def taken_on(discount: Discount, invoice: str) -> Taken:
    """Return what a discount took off an invoice."""
    (taken,) = [each for each in discount.taken if each.invoice == invoice]
    return taken


def note_shares(
    model: Model, invoice: Json, *, given: Sequence[tuple[Discount, Taken]], sign: int, at: datetime
) -> None:
    """Add the shares of a credit line to the ledger, given back or taken again."""
    model.entries += [
        Entry(
            discount=each,
            ref=invoice["invoice"],
            ref_type="credit",
            at=at,
            usage=0,
            amount=sign * share.amount,
            currency=share.currency,
        )
        for each, share in given
    ]


def standing_credits(model: Model, invoice: Json) -> list[Credit]:
    """Return the credits of an invoice whose credited invoices still stand. Those of the others stay given."""
    place = (invoice["project"], invoice["invoice"])
    return [
        each
        for each in model.credits
        if (each.project, each.invoice) == place
        and not is_given_back(model.reversals[each.project, each.reversal.invoice])
    ]


def forget(model: Model, credit: Credit) -> None:
    """Take a credit from the reversals of the credited invoice. The line is rounded anew from there."""
    place = (credit.project, credit.reversal.invoice)
    earlier = model.reversals[place]
    earlier.remove(credit.reversal)
    _, invoice = model.answered["apply", *place]
    for line in credit.reversal.lines:
        (billed,) = [each["amount"] for each in invoice["lines"] if each["id"] == line]
        left = left_of(line, discounts=invoice["discounts"], earlier=earlier)
        model.anew[*place, line] = billed - refunded_of(line, earlier), sum(left.values())


def take_again(credit: Credit, discount: Discount) -> None:
    """Take the shares of a credit from a discount again."""
    for each, share in credit.given:
        if each is discount:
            discount.credited.remove(share)


def shown_taken_again(
    model: Model, invoice: Json, *, taken: Sequence[Credit], shown: Sequence[Json], at: datetime
) -> list[Json]:
    """Return each share that was taken again, as an answer shows it."""
    shares = [(credit, each, share) for credit in taken for each, share in credit.given]
    ids = [{name: each.get(name) for name in ("usage", "reverses")} for each in shown]
    ids += [{"usage": None, "reverses": None}] * (len(shares) - len(ids))
    return [
        {
            "discount": each.id,
            "voucher": each.voucher,
            "usage": model.entry_id("taken_again", *key_of(invoice, credit.line, each), shown=one["usage"]),
            "reverses": model.entry_id(*key_of(invoice, credit.line, each), shown=one["reverses"]),
            "amount": -share.amount,
            "status": status_by(each, at=at),
            "cycles": len(each.starts),
            "fullPriceFrom": ends_on(each),
        }
        for (credit, each, share), one in zip(shares, ids, strict=False)
    ]
