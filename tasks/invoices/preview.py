"""Looking ahead: what the next periods of a plan will be billed, by the rules of applying. Nothing is written."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from sqlalchemy.orm import Session

from domain.invoice import Skip
from domain.plan import Plan, first_number, period_of
from domain.recurrence import Period
from domain.terms import RecurrenceType
from models.base import read_clock, read_one_snapshot
from models.discounts.of_subscription import find_covering
from models.invoices.taken import taken_since
from tasks.invoices.batch import InvoiceBatch
from tasks.invoices.budgets import Budgets
from tasks.invoices.messages import Apply, Preview
from tasks.invoices.messages import Period as PeriodMessage
from tasks.wire.answers import Answer, day
from tasks.wire.fields import YEAR_MAX
from tasks.wire.replay import FirstAnswers
from tasks.wire.task import contract_task
from worker.database import transaction

# More than a year of days, and 33 years of months. What goes on for longer has no date of full price.
PERIODS_LOOKED_AT_MAX = 400
# A later period of the same plan is skipped for these too, whatever happens until then.
FOR_GOOD = {Skip.PRODUCT_NOT_ELIGIBLE.value, Skip.CURRENCY_MISMATCH.value, Skip.BUDGET_SPENT.value}
SHOWN = ("subtotal", "discountTotal", "total", "lines", "discounts", "skipped")


@contract_task("billing.preview", message=Preview)
def preview(request: Preview) -> Answer:
    """This task will answer what `billing.apply` will, period by period, if nothing else happens until then."""
    with transaction() as session:
        read_one_snapshot(session)
        return preview_subscription(session, request)


def preview_subscription(session: Session, request: Preview) -> Answer:
    """This function will discount the coming periods of the plan in memory, by the discounts as they stand."""
    batch = _read(session, request)
    since = request.from_ or batch.applied_at.date()
    _read_taken(session, request, batch=batch, since=since)
    # A discount that skips a period before those that are billed already goes on behind it.
    granted = batch.granted[request.project, request.subscription]
    billed_until = max((each.progress.last_start or since for each in granted), default=since)
    shown, full_price_from = [], None
    for count, invoice in enumerate(_invoices(request, since=since), start=1):
        period, answer = batch.period_of(invoice), batch.apply(invoice, fingerprint=b"")
        if count <= request.periods:
            shown.append(_period_answer(period, trial=invoice.trial, answer=answer))
        is_full_price = not invoice.trial and _is_full_price(answer)
        full_price_from = (full_price_from or period.start) if is_full_price else None
        is_known = period.start >= billed_until and (full_price_from or _is_endless(batch))
        if count >= request.periods and is_known:
            break
    return {
        "object": "preview",
        "project": request.project,
        "subscription": request.subscription,
        "currency": request.plan.currency,
        "periods": shown,
        "fullPriceFrom": day(full_price_from),
    }


def _read(session: Session, request: Preview) -> InvoiceBatch:
    discounts = find_covering(session, project=request.project, subscription=request.subscription)
    any_of_them = _invoice(request, period=Period(start=date.min, end=date.max), trial=False)
    budgets = Budgets.read(session, discounts=discounts, invoices=[any_of_them])
    batch = InvoiceBatch(
        applied_at=read_clock(session), discounts=discounts, first_answers=FirstAnswers({}), budgets=budgets
    )
    batch.read_balances(session)
    return batch


def _read_taken(session: Session, request: Preview, *, batch: InvoiceBatch, since: date) -> None:
    # Some of the coming periods may have an invoice already.
    granted = batch.granted[request.project, request.subscription]
    keys = [(each.row.project, each.row.id) for each in granted]
    for each, taken in zip(granted, taken_since(session, keys=keys, since=since), strict=True):
        each.taken = defaultdict(dict, taken)
    batch.read_given_back(session)


def _invoices(request: Preview, *, since: date) -> Iterator[Apply]:
    plan = Plan(interval=request.plan.interval, interval_count=request.plan.interval_count, anchor=request.plan.anchor)
    first = first_number(plan, on_or_after=since)
    for number in range(first, first + PERIODS_LOOKED_AT_MAX):
        period = period_of(plan, number=number)
        if number - first >= request.periods and period.end.year > YEAR_MAX:
            return
        yield _invoice(request, period=period, trial=number < request.plan.trial_periods)


def _invoice(request: Preview, *, period: Period, trial: bool) -> Apply:
    # Its parts were checked with the request; a period may lie further ahead than one that is sent.
    return Apply.model_construct(
        project=request.project,
        invoice="",
        subscription=request.subscription,
        customer="",
        currency=request.plan.currency,
        period=PeriodMessage.model_construct(start=period.start, end=period.end),
        trial=trial,
        lines=request.plan.lines,
    )


def _is_full_price(answer: Answer) -> bool:
    return answer["discountTotal"] == 0 and all(each["reason"] in FOR_GOOD for each in answer["skipped"])


def _is_endless(batch: InvoiceBatch) -> bool:
    return any(
        each.has_advanced
        and each.row.recurrence == RecurrenceType.FOREVER
        and not each.row.carry_over
        and not each.row.has_budget
        for granted in batch.granted.values()
        for each in granted
    )


def _period_answer(period: Period, *, trial: bool, answer: Answer) -> Answer:
    head = {"period": {"start": day(period.start), "end": day(period.end)}, "trial": trial}
    return {**head, **{name: answer[name] for name in SHOWN}}
