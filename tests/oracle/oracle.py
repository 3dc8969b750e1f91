"""A second reading of docs/contract.md: the answers to invoices and reversals, from a state of its own.

It was written from the contract alone, and imports nothing of the program.
"""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.oracle.amounts import half_up, split
from tests.oracle.answers import answered, left_out, refused, told
from tests.oracle.crediting import credit_lines, credited, refusal
from tests.oracle.discounts import Before, Cycle, Discount, Entry, Voucher, run_again, stands_alone
from tests.oracle.invoices import Credit, Invoice


def local_day(boundary: str) -> date:
    """Return the local date of a boundary, which is a date or a timestamp."""
    return datetime.fromisoformat(boundary).date()


def cycle_of(span: dict[str, str]) -> Cycle:
    """Return the days of a period or a cycle."""
    return Cycle(local_day(span["start"]), local_day(span["end"]))


def before(body: dict[str, Any]) -> Before | None:
    """Return what a discount had had in another system, or None if it had begun nowhere."""
    if "firstCycleStart" not in body:
        return None
    return Before(
        date.fromisoformat(body["firstCycleStart"]), cycle_of(body["lastCycle"]), body["cycles"], body.get("taken", {})
    )


def normal_invoice(body: dict[str, Any]) -> dict[str, Any]:
    """Return an invoice with all defaults, by which two bodies are compared."""
    lines = [{"product": None, "discountable": True, "creditOf": None, **each} for each in body["lines"]]
    return {"period": None, "cycle": None, "trial": False, **body, "lines": lines}


class Oracle:
    """The vouchers, discounts and invoices of a project."""

    def __init__(self) -> None:
        self.vouchers: dict[str, Voucher] = {}
        self.subscriptions: dict[str, list[Discount]] = {}
        self.invoices: dict[str, Invoice] = {}
        self.reversals: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def on(self, subscription: str) -> list[Discount]:
        """Return the discounts of a subscription, in the order redeemed."""
        return self.subscriptions.setdefault(subscription, [])

    def complete_those_over(self, subscription: str, today: date) -> None:
        """Complete the running discounts that are over."""
        for each in self.on(subscription):
            if each.status == "running" and each.is_over(today):
                each.status = "completed"

    def redemption_refusal(self, subscription: str, voucher: str, today: date) -> str | None:
        """Return the reason why an otherwise eligible voucher cannot be redeemed on a subscription."""
        self.complete_those_over(subscription, today)
        running = [each.voucher for each in self.on(subscription) if each.status == "running"]
        if voucher in [each.id for each in running]:
            return "already_applied"
        return "not_combinable" if stands_alone(self.vouchers[voucher], running) else None

    def grant(self, discount: str, redemption: dict[str, Any], requested_at: datetime) -> None:
        """Add the discount of an accepted redemption."""
        voucher = self.vouchers[redemption["voucher"]]
        starts_on, in_utc = requested_at.date(), requested_at.astimezone(UTC).date()
        if "startsOn" in redemption:
            starts_on = in_utc = date.fromisoformat(redemption["startsOn"])
        granted = Discount(discount, voucher, voucher.products, voucher.excluded, starts_on, in_utc)
        self.on(redemption["subscription"]).append(granted)
        voucher.discounts.append(granted)

    def begin(self, discount: str, body: dict[str, Any], today: date) -> Discount:
        """Add a discount that ran in another system, before those that were redeemed later."""
        voucher, redeemed_at = self.vouchers[body["voucher"]], datetime.fromisoformat(body["redeemedAt"])
        begun = Discount(
            discount,
            voucher,
            voucher.products,
            voucher.excluded,
            redeemed_at.date(),
            redeemed_at.astimezone(UTC).date(),
            before=before(body),
            redeemed_at=redeemed_at,
        )
        begun.status = "completed" if begun.is_over(today) else "running"
        there = self.on(body["subscription"])
        there.append(begun)
        there.sort(key=lambda each: each.redeemed_at or datetime.max.replace(tzinfo=UTC))
        voucher.discounts.append(begun)
        return begun

    def end(self, discount: str) -> None:
        """End a discount for good."""
        for each in (every for those in self.subscriptions.values() for every in those):
            if each.id == discount:
                each.status = "ended"

    def apply(self, body: dict[str, Any], today: date, at: str | None) -> dict[str, Any]:
        """Return the answer to an invoice, without `appliedAt`, which is the instant of its credits."""
        body = normal_invoice(body)
        first = self.invoices.get(body["invoice"])
        if first:
            is_same = first.body == body
            return {**first.answer, "reversed": first.reversed} if is_same else refused(body, "idempotency_conflict")
        against = refusal(self.invoices, body)
        if against:
            line, reason = against
            return refused(body, reason, line)
        self.complete_those_over(body["subscription"], today)
        decided = self.discounted(body, today, self.credited(body, today, at))
        self.invoices[body["invoice"]] = decided
        self.complete_those_over(body["subscription"], today)
        return decided.answer

    def credited(self, body: dict[str, Any], today: date, at: str | None) -> list[Credit]:
        """Carry out the credit lines of a new invoice."""
        credits_ = []
        for line in credit_lines(body):
            invoice = self.invoices[line["creditOf"]["invoice"]]
            subscription = invoice.body["subscription"]
            self.complete_those_over(subscription, today)
            credits_.append(credited(invoice, line, at))
            for discount in sorted((each for each, _, _ in credits_[-1].shares), key=lambda each: each.id):
                run_again(discount, self.on(subscription), "credited", today)
        return credits_

    def discounted(self, body: dict[str, Any], today: date, credits_: list[Credit]) -> Invoice:
        """Discount a new invoice, after its credits."""
        period = cycle_of(body["period"]) if body["period"] else Cycle(today, today + timedelta(days=1))
        cycle = cycle_of(body["cycle"]) if body["cycle"] else period
        is_dated = bool(body["period"] or body["cycle"])
        notices = [] if body["cycle"] else self.notices(body["subscription"], period)
        rests = {each["id"]: each["amount"] for each in body["lines"]}
        for credit in credits_:
            rests[credit.line] += credit.share
        taken, skipped = [], []
        entries: list[tuple[Discount, Entry]] = []
        for discount in listed(self.on(body["subscription"]), cycle, is_dated=is_dated):
            reason = skip_reason(discount, body, cycle, [each.voucher for each, _ in entries], is_dated=is_dated)
            parts = {} if reason else taken_off(discount, body, rests, cycle)
            if not parts:
                skipped.append(left_out(discount, reason or "nothing_left"))
                continue
            for line, part in parts.items():
                rests[line] -= part
            entry = Entry(body["currency"], cycle, parts, discount.phase(cycle))
            discount.entries.append(entry)
            entries.append((discount, entry))
            taken.append(told(discount, entry))
        answer = answered(body, rests, taken=taken, credits_=credits_, skipped=skipped, notices=notices)
        return Invoice(body, answer, entries, credits_)

    def notices(self, subscription: str, period: Cycle) -> list[str]:
        """Return the notices for an invoice that names no cycle."""
        hinting = (each for each in self.on(subscription) if each.status != "ended" and each.voucher.type != "once")
        cycles = [
            cycle
            for each in hinting
            for cycle in [*(entry.cycle for entry in each.standing()), *([each.before.last] if each.before else [])]
        ]
        return ["period_inside_cycle"] if any(each.start < period.start < each.end for each in cycles) else []


def has_started(discount: Discount, cycle: Cycle, *, is_dated: bool) -> bool:
    """Return whether the cycle of an invoice ends after the discount's `startsOn`."""
    return cycle.end > (discount.starts_on if is_dated else discount.starts_on_in_utc)


def listed(discounts: list[Discount], cycle: Cycle, *, is_dated: bool) -> list[Discount]:
    """Return the discounts that the answer names, in the order applied."""
    named: list[Discount] = []
    taking_part: set[str] = set()
    for each in discounts:
        if not each.covers(cycle) or each.voucher.id in taking_part:
            continue
        named.append(each)
        if has_started(each, cycle, is_dated=is_dated):
            taking_part.add(each.voucher.id)
    return sorted(named, key=lambda each: (each.voucher.priority, not each.is_restricted()))


def skip_reason(
    discount: Discount, body: dict[str, Any], cycle: Cycle, taking: list[Voucher], *, is_dated: bool
) -> str | None:
    """Return the first reason for which the discount takes nothing off, whatever the amounts of the lines.

    `taking` are the vouchers of the discounts that have taken something off the invoice.
    """
    voucher, currency = discount.voucher, body["currency"]
    prices = voucher.price_of(discount.phase(cycle))[1], voucher.maximum, voucher.in_all, voucher.budget
    against = {
        "trial": body["trial"],
        "before_start": not has_started(discount, cycle, is_dated=is_dated),
        "product_not_eligible": not any(discount.is_for(each["product"]) for each in body["lines"]),
        "currency_mismatch": any(amounts is not None and currency not in amounts for amounts in prices),
        "minimum_subtotal_not_met": not reaches(discount, body),
        "not_combinable": stands_alone(voucher, taking),
        "budget_spent": voucher.left(currency) == 0,
    }
    return next((reason for reason, applies in against.items() if applies), None)


def reaches(discount: Discount, body: dict[str, Any]) -> bool:
    """Return whether the full amounts of the lines that a discount covers are the minimum or more."""
    minimum = discount.voucher.minimum
    whole = sum(
        each["amount"]
        for each in body["lines"]
        if each["amount"] > 0 and each["discountable"] and discount.is_for(each["product"])
    )
    return minimum is None or (body["currency"] == minimum["currency"] and whole >= minimum["amount"])


def taken_off(discount: Discount, body: dict[str, Any], rests: dict[str, int], cycle: Cycle) -> dict[str, int]:
    """Return what the discount takes off each line. Without any, it takes off nothing."""
    voucher, currency = discount.voucher, body["currency"]
    base = {
        each["id"]: rests[each["id"]]
        for each in body["lines"]
        if each["amount"] > 0 and each["discountable"] and discount.is_for(each["product"])
    }
    whole = sum(base.values())
    caps = (
        voucher.left(currency),
        (voucher.maximum or {}).get(currency),
        discount.balance(currency) if voucher.total else None,
    )
    amount = min([whole, price_of(discount, currency, cycle, whole), *(each for each in caps if each is not None)])
    return {line: part for line, part in split(max(amount, 0), base).items() if part}


def price_of(discount: Discount, currency: str, cycle: Cycle, base: int) -> int:
    """Return the amount of a discount before its caps."""
    percentage, _ = discount.voucher.price_of(discount.phase(cycle))
    if percentage is not None:
        return half_up(base * Fraction(str(percentage)) / 100)
    return discount.balance(currency) if discount.voucher.carries_over else discount.allowance(currency, cycle)
