"""Redeeming and applying as written without Scrip: the ORM, SELECT … FOR UPDATE, row by row.

The tables and the rules about money are Scrip's. The rules about vouchers are only those that most vouchers need.
Parsing the requests is left out, in favour of this baseline.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.eligibility import Refusal
from domain.invoice import Applied, Invoice, Line, apply_discounts
from domain.recurrence import Period, Progress
from domain.terms import RetiredReason
from models.base import LOOK_UP_COLLATION, new_id, read_clock
from models.discounts.discount import Discount
from models.discounts.subscription import Subscription
from models.discounts.values import granted_discount_of, progress_of
from models.invoices.ledger import InvoiceDiscount, UsageEntry
from models.redemptions.redemption import Redemption
from models.vouchers.given import add_given
from models.vouchers.voucher import Voucher

Body = dict[str, Any]


def redeem(session: Session, request: Body) -> Body:
    """Redeem a voucher, once for each request id."""
    stored = session.get(Redemption, (request["project"], request["requestId"]))
    if stored is not None:
        return _redeemed(stored)
    voucher = session.get(Voucher, (request["project"], UUID(request["voucher"])), with_for_update=True)
    _lock_subscription(session, request)
    now = read_clock(session)
    reason = _refusal(session, request, voucher=voucher, now=now)
    redemption = Redemption(
        project=request["project"],
        request_id=request["requestId"],
        id=new_id(),
        fingerprint=to_json(request),
        voucher_id=None if voucher is None else voucher.id,
        customer=request["customer"],
        subscription=request["subscription"],
        reason=reason,
        effective_at=now,
        decided_at=now,
    )
    session.add(redemption)
    if voucher is not None and reason is None:
        _grant(session, request, voucher=voucher, redemption=redemption)
    return _redeemed(redemption)


def _lock_subscription(session: Session, request: Body) -> None:
    key = (request["project"], request["subscription"])
    if session.get(Subscription, key, with_for_update=True) is None:
        session.add(Subscription(project=key[0], subscription=key[1]))
        session.flush()


def _refusal(session: Session, request: Body, *, voucher: Voucher | None, now: datetime) -> Refusal | None:
    if voucher is None:
        return Refusal.VOUCHER_NOT_FOUND
    if voucher.retired_reason is not None:
        return Refusal.VOUCHER_RETIRED
    if voucher.starts_at is not None and now < voucher.starts_at:
        return Refusal.VOUCHER_NOT_STARTED
    if voucher.expires_at is not None and now >= voucher.expires_at:
        return Refusal.VOUCHER_EXPIRED
    return _customers_refusal(session, request, voucher=voucher)


def _customers_refusal(session: Session, request: Body, *, voucher: Voucher) -> Refusal | None:
    if voucher.maximum_redemptions_per_customer is not None:
        count = select(func.count()).select_from(Redemption)
        # With the collations of the indexes, so that the index is used.
        count = count.where(Redemption.project.collate("C") == voucher.project, Redemption.voucher_id == voucher.id)
        count = count.where(Redemption.customer == request["customer"], Redemption.reason.is_(None))
        if (session.scalar(count) or 0) >= voucher.maximum_redemptions_per_customer:
            return Refusal.CUSTOMER_LIMIT_REACHED
    running = select(Discount).where(
        Discount.project.collate(LOOK_UP_COLLATION) == voucher.project,
        Discount.subscription == request["subscription"],
        Discount.status == "running",
    )
    if any(each.voucher_id == voucher.id for each in session.scalars(running)):
        return Refusal.ALREADY_APPLIED
    return None


def _grant(session: Session, request: Body, *, voucher: Voucher, redemption: Redemption) -> None:
    voucher.redemptions += 1
    if voucher.redemptions == voucher.maximum_redemptions:
        voucher.retired_reason = RetiredReason.MAX_REDEMPTIONS_REACHED
        voucher.retired_at = redemption.decided_at
    redemption.redemption_number = voucher.redemptions
    session.add(
        Discount(
            project=voucher.project,
            id=redemption.id,
            voucher_id=voucher.id,
            customer=request["customer"],
            subscription=request["subscription"],
            created_at=redemption.decided_at,
            percentage_millionths=voucher.percentage_millionths,
            amounts_minor=voucher.amounts_minor,
            recurrence=voucher.recurrence,
            duration_in_months=voucher.duration_in_months,
            duration_in_cycles=voucher.duration_in_cycles,
            carry_over=voucher.carry_over,
            products=voucher.products,
            starts_on=date.fromisoformat(request["startsOn"]),
            starts_on_in_utc=date.fromisoformat(request["startsOn"]),
        )
    )


def _redeemed(redemption: Redemption) -> Body:
    return {
        "requestId": redemption.request_id,
        "id": str(redemption.id),
        "outcome": "accepted" if redemption.reason is None else "refused",
        "reason": redemption.reason,
        "redemptionNumber": redemption.redemption_number,
    }


def apply(session: Session, request: Body) -> Body:
    """Discount an invoice, once for each invoice id."""
    stored = session.get(InvoiceDiscount, (request["project"], request["invoice"]))
    if stored is not None:
        return stored.answer
    rows = _locked_discounts(session, request)
    period = Period(**{name: date.fromisoformat(day) for name, day in request["period"].items()})
    discounts = [
        granted_discount_of(
            row,
            progress=progress_of(row),
            taken_minor=_taken(session, row, period=period),
            taken_in_total_minor=None,
            starts_on=row.starts_on,
            cycle_start=period.start,
            phase_by_cycle={},
            budget_left_minor=None,
            elsewhere=Progress(),
        )
        for row in rows
    ]
    lines = [Line(id=each["id"], amount_minor=each["amount"]) for each in request["lines"]]
    invoice = Invoice(currency=request["currency"], cycle=period, lines=lines)
    applied = [each for each in apply_discounts(invoice, discounts=discounts) if isinstance(each, Applied)]
    now = datetime.now(UTC)
    answer = _applied(request, applied=applied)
    session.add(_invoice_discount(request, answer, now=now))
    # The usage entries refer to this row, so it is written first.
    session.flush()
    by_id = {row.id: row for row in rows}
    for each in applied:
        _advance(by_id[each.discount.id], each, now=now)
        session.add(_entry(request, each, period=period, now=now))
    session.flush()
    given = {(request["project"], each.discount.voucher_id, request["currency"]): each.amount_minor for each in applied}
    add_given(session, given=given)
    return answer


def _locked_discounts(session: Session, request: Body) -> Sequence[Discount]:
    granted = (
        select(Discount)
        .where(Discount.project.collate(LOOK_UP_COLLATION) == request["project"])
        .where(Discount.subscription == request["subscription"])
        .order_by(Discount.created_at, Discount.id)
        .with_for_update()
    )
    return session.scalars(granted).all()


def _taken(session: Session, row: Discount, *, period: Period) -> dict[str, int]:
    taken = (
        select(UsageEntry.currency, func.sum(UsageEntry.amount_minor))
        .where(UsageEntry.project == row.project, UsageEntry.discount_id == row.id)
        .where(UsageEntry.cycle_start == period.start)
        .group_by(UsageEntry.currency)
    )
    return {currency: int(amount) for currency, amount in session.execute(taken)}


def _advance(row: Discount, applied: Applied, *, now: datetime) -> None:
    progress = applied.progress
    row.first_cycle_start, row.last_cycle_start = progress.first_start, progress.last_start
    row.cycles, row.ends_on, row.last_cycle_end = progress.cycles, progress.ends_on, progress.last_end
    row.updated_at = now


def _invoice_discount(request: Body, answer: Body, *, now: datetime) -> InvoiceDiscount:
    return InvoiceDiscount(
        project=request["project"],
        invoice=request["invoice"],
        fingerprint=to_json(request),
        subscription=request["subscription"],
        customer=request["customer"],
        answer=answer,
        applied_at=now,
    )


def _entry(request: Body, applied: Applied, *, period: Period, now: datetime) -> UsageEntry:
    return UsageEntry(
        project=request["project"],
        discount_id=applied.discount.id,
        invoice=request["invoice"],
        id=new_id(),
        period_start=period.start,
        period_end=period.end,
        cycle_start=period.start,
        cycle_end=period.end,
        currency=request["currency"],
        amount_minor=applied.amount_minor,
        created_at=now,
    )


def _applied(request: Body, *, applied: list[Applied]) -> Body:
    subtotal = sum(each["amount"] for each in request["lines"])
    total = sum(each.amount_minor for each in applied)
    by_line = {each["id"]: sum(one.by_line.get(each["id"], 0) for one in applied) for each in request["lines"]}
    return {
        "outcome": "applied",
        "invoice": request["invoice"],
        "subtotal": subtotal,
        "discountTotal": total,
        "total": subtotal - total,
        "lines": [
            {**each, "discount": by_line[each["id"]], "total": each["amount"] - by_line[each["id"]]}
            for each in request["lines"]
        ],
        "discounts": [
            {"discount": str(each.discount.id), "amount": each.amount_minor, "lines": each.by_line} for each in applied
        ],
    }
