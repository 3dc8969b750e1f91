"""What an explanation comes down to, in a word and in a sentence."""

from domain.currency import money_text
from domain.explanation import Finding
from domain.hold import HoldStatus
from domain.notice import Notice
from models.invoices.row_types import InvoiceRow
from tasks.support import sentences
from tasks.support.answers import refusal_text
from tasks.support.evidence import Evidence
from tasks.support.figures import instant_text
from tasks.support.messages import Explain
from tasks.support.pages import Asked
from tasks.support.sentences import say


def finding_of(request: Explain, *, invoice: InvoiceRow | None, evidence: Evidence) -> Finding:
    """Return what an explanation comes down to. A position in the list of discounts says that there are some."""
    has_discounts = bool(evidence.discounts.rows) or request.discounts_before is not None
    if request.invoice is not None:
        if invoice is None:
            return Finding.INVOICE_NOT_FOUND
        if invoice.answer["discounts"]:
            return Finding.TAKEN
        if has_discounts:
            return Finding.NOTHING_TAKEN
        if evidence.elsewhere.rows:
            return Finding.OTHER_SUBSCRIPTION
    elif has_discounts:
        return Finding.GRANTED
    return _without_discount(evidence)


def _without_discount(evidence: Evidence) -> Finding:
    statuses = {each.status for each in evidence.holds.rows}
    if HoldStatus.OPEN in statuses:
        return Finding.ONLY_HELD
    if evidence.requests.rows or HoldStatus.REFUSED in statuses:
        return Finding.ONLY_REFUSED
    return Finding.ONLY_HELD if statuses else Finding.NEVER_REDEEMED


def finding_text(finding: Finding, *, invoice: InvoiceRow | None, evidence: Evidence) -> str:
    """Return the sentences of a finding, with the last refusal if nothing else is known, and with all notices."""
    figures: dict[str, str] = {}
    if invoice is not None and finding is Finding.TAKEN:
        applied = invoice.answer["discounts"]
        figures["taken"] = money_text(sum(each["amount"] for each in applied), currency=invoice.answer["currency"])
        figures["count"] = "1 discount" if len(applied) == 1 else f"{len(applied)} discounts"
    refusal = _last_refusal(evidence) if finding is Finding.ONLY_REFUSED else None
    texts = [] if refusal is None else [refusal_text(refusal, evidence=evidence)]
    if refusal is not None:
        figures["refused_at"] = instant_text(refusal.effective_at)
    notices = [] if invoice is None else [Notice(each) for each in invoice.answer["notices"]]
    texts += [say(sentences.NOTICED[each], {}) for each in notices]
    return " ".join([say(sentences.FOUND[finding], figures), *texts])


def _last_refusal(evidence: Evidence) -> Asked | None:
    refused: list[Asked] = [each for each in evidence.requests.rows if each.reason is not None]
    refused += [each for each in evidence.holds.rows if each.reason is not None]
    return max(refused, key=lambda each: each.id, default=None)
