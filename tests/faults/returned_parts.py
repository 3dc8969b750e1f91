"""What reversals and credits gave back of each invoice, as far as the answers of a run tell it, in minor units."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from tests.faults.history import Decision, History, Json, Key

GIVING_BACK = {"voided", "payment_failed", "charged_back"}
REFUNDED, CREDITED, CREDIT_REVERSED = "refunded", "credited", "credit_reversed"
# The project, the invoice, and the line.
LineKey = tuple[str, str, str]
# The project, the invoice, and the discount.
EntryKey = tuple[str, str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A part of a line that was given back, and that part's share of the discount. Both are negative if taken again."""

    kind: str
    amount: int
    share: int
    # A reversal or the crediting invoice.
    by: Key
    sent_at: float
    told_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TakenCredit:
    """A credit that was taken back with its invoice, unless the credited invoice had been given back before."""

    # The crediting invoice.
    invoice: Key
    credited: LineKey
    amount: int
    share: int
    # A credit without a discount leaves no trace in the answer, so nobody knows which of both came first.
    is_certain: bool


class ReturnedParts:
    """The parts of lines and of discounts that were given back, in all and by kind."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.lines: defaultdict[LineKey, list[Part]] = defaultdict(list)
        # Lines of which it is not known whether a credit was taken back.
        self.doubtful_lines: set[LineKey] = set()
        self.entries: defaultdict[EntryKey, int] = defaultdict(int)
        self.credited_entries: defaultdict[EntryKey, int] = defaultdict(int)
        self.entries_given_back: set[EntryKey] = set()
        # By discount: the shares of credits that were taken back.
        self.taken_again: defaultdict[str, int] = defaultdict(int)
        self.taken_credits: list[TakenCredit] = []
        self.reversals = accepted_reversals(history)
        # At most one of these for each invoice, or there is another finding.
        self.giving_back = {reversed_invoice(each): each for each in self.reversals if is_giving_back(each)}
        for reversal in self.reversals:
            self._add_reversal(reversal)
        for invoice in history.decided("invoice"):
            for credit in credits_of(invoice):
                self._add_credit(invoice, credit)

    def returned_between(self, line: LineKey, since: float, until: float, *, but: Key | None = None) -> int:
        """Return the most that refunds and credits can have given back of a line between two instants.

        What one request gave back does not count, nor do credits that had surely been taken back.
        """
        parts = [each for each in self.lines.get(line, ()) if each.by != but]
        given = sum(each.amount for each in parts if each.kind in {REFUNDED, CREDITED} and each.sent_at < until)
        return given + sum(each.amount for each in parts if each.kind == CREDIT_REVERSED and each.told_at < since)

    def _add_reversal(self, reversal: Decision) -> None:
        project, invoice = reversal.key[1], reversal.request["invoice"]
        kind = reversal.request["kind"]
        for line in reversal.answer["lines"]:
            # The invoice's own credits are negative.
            if line["amount"] > 0:
                self.lines[project, invoice, line["id"]].append(
                    _part(kind, line["amount"], line["discountShare"], by=reversal)
                )
        for each in self.own_discounts(reversal):
            entry = (project, invoice, each["discount"])
            self.entries[entry] += each["amount"]
            if kind in GIVING_BACK:
                self.entries_given_back.add(entry)

    def own_discounts(self, reversal: Decision) -> list[Json]:
        """Return the discounts of a reversed invoice, without the shares of its credits that were taken back."""
        invoice = self.history.decisions.get(reversed_invoice(reversal))
        usages = {share["usage"] for each in credits_of(invoice) for share in each["discounts"]} if invoice else set()
        return [each for each in reversal.answer["discounts"] if each["reverses"] not in usages]

    def _add_credit(self, invoice: Decision, credit: Json) -> None:
        project, of = invoice.key[1], credit["creditOf"]
        line: LineKey = (project, of["invoice"], of["line"])
        amount, share = credit["amount"], credit["discountShare"]
        self.lines[line].append(_part(CREDITED, amount, share, by=invoice))
        taken = self._taken_credit(invoice, credit, line=line)
        if taken is not None:
            self.taken_credits.append(taken)
        if taken is not None and taken.is_certain:
            reversal = self.giving_back[invoice.key]
            self.lines[line].append(_part(CREDIT_REVERSED, -amount, -share, by=reversal))
        elif taken is not None:
            self.doubtful_lines.add(line)
        for each in credit["discounts"]:
            if taken is not None:
                self.taken_again[each["discount"]] += each["amount"]
            else:
                self.entries[project, of["invoice"], each["discount"]] += each["amount"]
                self.credited_entries[project, of["invoice"], each["discount"]] += each["amount"]

    def _taken_credit(self, invoice: Decision, credit: Json, *, line: LineKey) -> TakenCredit | None:
        """Return the credit if it was taken back, or may have been."""
        reversal = self.giving_back.get(invoice.key)
        if reversal is None:
            return None
        usages = {each["usage"] for each in credit["discounts"]}
        if usages and usages.isdisjoint(each["reverses"] for each in reversal.answer["discounts"]):
            return None
        is_certain = bool(usages) or ("invoice", *line[:2]) not in self.giving_back
        return TakenCredit(
            invoice=invoice.key,
            credited=line,
            amount=credit["amount"],
            share=credit["discountShare"],
            is_certain=is_certain,
        )


def _part(kind: str, amount: int, share: int, *, by: Decision) -> Part:
    return Part(kind=kind, amount=amount, share=share, by=by.key, sent_at=by.sent_at, told_at=by.told_at)


@lru_cache(maxsize=1)
def returned_parts(history: History) -> ReturnedParts:
    """Return the parts that were given back in a history, which several checks read."""
    return ReturnedParts(history)


def accepted_reversals(history: History) -> list[Decision]:
    """Return the accepted reversals, each once: a second void under another id is the first one."""
    by_id: dict[str, Decision] = {}
    for each in sorted(history.decided("reversal"), key=lambda each: each.told_at):
        if each.reason is None:
            by_id.setdefault(each.answer["id"], each)
    return list(by_id.values())


def is_giving_back(reversal: Decision) -> bool:
    """Return whether a reversal gave the cycle back."""
    return reversal.request["kind"] in GIVING_BACK


def reversed_invoice(reversal: Decision) -> Key:
    """Return the key of the invoice that was reversed."""
    return ("invoice", reversal.key[1], reversal.request["invoice"])


def credits_of(invoice: Decision) -> list[Json]:
    """Return the credits in the answer to an invoice."""
    credits_: list[Json] = invoice.answer["credits"]
    return credits_


def credit_lines_of(request: Json) -> Iterator[tuple[str, LineKey, int]]:
    """Yield each credit line of the request of an invoice, the line that it credits, and the amount as positive."""
    for each in request.get("lines", ()):
        if "creditOf" in each:
            of = each["creditOf"]
            yield each["id"], (request["project"], of["invoice"], of["line"]), -each["amount"]
