"""The credits of an invoice that is given back: they are taken back with it, as if the invoice had never been."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.credit import CreditKind
from domain.reversal import GIVING_BACK
from domain.value_class import value
from models.base import new_id
from models.discounts.discount import DiscountStatus
from models.discounts.locks import DiscountKey
from models.discounts.present_subscription import SubscriptionKey
from models.discounts.progress import DiscountState, complete_discounts_by_id, count_credited
from models.discounts.row_types import DiscountRow
from models.invoices.ledger import InvoiceKey, find_invoices
from models.invoices.reversal import add_reversals, find_reversals
from models.invoices.row_types import InvoiceRow
from tasks.discounts.used_up_totals import with_used_up_totals
from tasks.invoices.reversed_lines import ReversedLine
from tasks.invoices.states_afterwards import present_states
from tasks.wire.fields import uuid_of


@value
class ShareToReverse:
    """The share of a discount in a credit, in minor units, and the ledger entries of the credit and of its reversal."""

    discount: DiscountKey
    voucher_id: UUID
    currency: str
    amount_minor: int
    credit: UUID
    usage_id: UUID

    def columns(self) -> dict[str, Any]:
        """Return the columns of the new row in `usage_reversals`."""
        return {
            "id": self.usage_id,
            "discount_id": self.discount[1],
            "currency": self.currency,
            "amount_minor": self.amount_minor,
            "is_in_full": False,
        }


@value
class CreditToReverse:
    """A credit line of the invoice."""

    line: str
    credited: InvoiceKey
    credited_by: str
    part: ReversedLine
    shares: Sequence[ShareToReverse]


def credits_of(invoice: InvoiceRow) -> list[CreditToReverse]:
    """Return the credits of an invoice, as its answer has them."""
    # Answers from before the first credit have no such field.
    return [_credit(each, invoice=invoice) for each in invoice.answer.get("credits", ())]


def discounts_of_credits(credits_: Iterable[CreditToReverse]) -> set[DiscountKey]:
    """Return the discounts that credits gave a share back of."""
    return {share.discount for each in credits_ for share in each.shares}


def subscriptions_of(session: Session, *, credits_: Iterable[CreditToReverse]) -> set[SubscriptionKey]:
    """Return the subscriptions of the credited invoices. Without credits, send no statement."""
    keys = {each.credited for each in credits_}
    stored = find_invoices(session, keys=keys).values() if keys else ()
    return {(each.project, each.subscription) for each in stored}


def credits_in_force(session: Session, *, credits_: Sequence[CreditToReverse]) -> list[CreditToReverse]:
    """Return the credits of invoices that were not given back meanwhile: the others have nothing to take again.

    Call it after locking the subscriptions of the credited invoices. Without credits, send no statement.
    """
    if not credits_:
        return []
    reversals = find_reversals(session, keys={each.credited for each in credits_})
    given_back = {key for key, rows in reversals.items() if not GIVING_BACK.isdisjoint(each.kind for each in rows)}
    return [each for each in credits_ if each.credited not in given_back]


def reverse_credits(
    session: Session, *, credits_: Sequence[CreditToReverse], discounts: Iterable[DiscountRow], at: datetime
) -> dict[DiscountKey, DiscountState]:
    """Reverse each credit, and complete the locked discounts of whose totals nothing is left.

    Return the states afterwards, which are those of the discounts that the credits gave a share back of. Without
    credits, send no statement.
    """
    if not credits_:
        return {}
    _write(session, credits_=credits_, at=at)
    keys = discounts_of_credits(credits_)
    changed = [each for each in discounts if (each.project, each.id) in keys]
    states = dict(present_states(changed, today=at.date()))
    running = [each for each in changed if states[each.project, each.id].status is DiscountStatus.RUNNING]
    used_up = with_used_up_totals(session, discounts=running)
    completed = [(each.project, each.id) for each in running if each.id in used_up]
    complete_discounts_by_id(session, keys=completed, at=at)
    return states | {key: replace(states[key], status=DiscountStatus.COMPLETED) for key in completed}


def _write(session: Session, *, credits_: Sequence[CreditToReverse], at: datetime) -> None:
    reversals: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for each in credits_:
        project, invoice = each.credited
        columns = {
            "project": project,
            "invoice": invoice,
            "kind": CreditKind.CREDIT_REVERSED.value,
            "created_at": at,
            "credited_by": each.credited_by,
        }
        id_ = new_id()
        reversals.append({**columns, "id": id_, "lines": [each.part.negative().stored()], "answer": None})
        entries += [{**columns, "reversal_id": id_, **share.columns()} for share in each.shares]
    add_reversals(session, reversals=reversals, entries=entries)
    count_credited(session, entries=Counter(share.discount for each in credits_ for share in each.shares))


def _credit(answer: dict[str, Any], *, invoice: InvoiceRow) -> CreditToReverse:
    shares = [
        ShareToReverse(
            discount=(invoice.project, uuid_of(each["discount"])),
            voucher_id=uuid_of(each["voucher"]),
            currency=invoice.answer["currency"],
            amount_minor=each["amount"],
            credit=uuid_of(each["usage"]),
            usage_id=new_id(),
        )
        for each in answer["discounts"]
    ]
    return CreditToReverse(
        line=answer["line"],
        credited=(invoice.project, answer["creditOf"]["invoice"]),
        credited_by=invoice.invoice,
        part=ReversedLine(
            id=answer["creditOf"]["line"],
            amount_minor=answer["amount"],
            by_discount={each.discount[1]: each.amount_minor for each in shares},
        ),
        shares=shares,
    )
