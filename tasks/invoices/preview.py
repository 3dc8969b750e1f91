"""Preview the next periods of a plan by the rules of `billing.apply`. Nothing is written."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date

from sqlalchemy.orm import Session

from domain.invoice import Skip
from domain.plan import Plan, first_number, period_of
from domain.recurrence import Period
from domain.terms import RecurrenceType
from models.base import read_clock, read_one_snapshot
from models.discounts.of_subscription import find_covering
from models.invoices.taken import taken_since
from models.vouchers.total import total_minor_of
from tasks.intake.task import contract_task
from tasks.invoices.as_if_redeemed import NOBODY, AsIfRedeemed, redeem_as_if_now
from tasks.invoices.batch import InvoiceBatch
from tasks.invoices.budgets import Budgets
from tasks.invoices.granted_discounts import read_cycles, read_given_back, read_of_all_cycles
from tasks.invoices.messages import Apply, Preview
from tasks.redemptions.attempts import count_unknown_codes
from tasks.wire.answers import Answer, day
from tasks.wire.fields import YEAR_MAX, type_id
from tasks.wire.period import Period as PeriodMessage
from tasks.wire.replay import AnswerTable, FirstAnswers
from worker.database import transaction

# More than a year of days, or 33 years of months. If the discounts last longer, the answer has no date of full price.
PERIODS_COMPUTED_MAX = 400
# If a period is skipped for these reasons, so are all later periods of the plan, whatever happens until then.
PERMANENT_SKIPS = {
    Skip.PRODUCT_NOT_ELIGIBLE.value,
    Skip.CURRENCY_MISMATCH.value,
    Skip.MINIMUM_SUBTOTAL_NOT_MET.value,
    Skip.BUDGET_SPENT.value,
}
SHOWN = ("subtotal", "discountTotal", "total", "lines", "discounts", "skipped", "notices")


@contract_task("billing.preview", message=Preview, first_answer=AnswerTable.READS)
def preview(request: Preview) -> Answer:
    """Return the future answers of `billing.apply` to the invoices of a plan, also as if vouchers were redeemed now."""
    with transaction() as session:
        read_one_snapshot(session)
        answer = preview_subscription(session, request)
    count_unknown_codes(answer.get("redeem", ()), project=request.project, customer=request.customer or NOBODY)
    return answer


def preview_subscription(session: Session, request: Preview) -> Answer:
    """Discount the coming periods of the plan in memory, each on top of the periods before."""
    redeemed = redeem_as_if_now(session, request)
    new_ids = {type_id("dis", each.id) for each in redeemed.discounts}
    batch = _read_discounts(session, request, redeemed=redeemed)
    since = request.from_ or batch.applied_at.date()
    _read_taken(session, batch=batch, since=min(since, request.cycle.start) if request.cycle else since)
    # Periods may have been billed in advance, out of order. A discount may skip a period before them and go on after.
    billed_until = max((each.progress.last_start or since for each in batch.discounts()), default=since)
    ramps = (each.row for each in batch.discounts() if each.row.phases is not None)
    changing = {type_id("dis", row.id) for row in ramps if row.duration_in_months is not None}
    shown, full_price_from = [], None
    for count, invoice in enumerate(_invoices(request, since=since), start=1):
        period, answer = batch.period_of(invoice), batch.discount(invoice)
        if count <= request.periods:
            shown.append(_period_answer(period, trial=invoice.trial, answer=answer, new_ids=new_ids))
        is_full_price = not invoice.trial and _is_full_price(answer, changing=changing)
        full_price_from = (full_price_from or period.start) if is_full_price else None
        # Beside a cycle of the subscription, the later periods of the plan are not cycles that will be billed.
        is_known = request.cycle or (period.start >= billed_until and (full_price_from or _is_endless(batch)))
        if count >= request.periods and is_known:
            break
    return {
        "object": "preview",
        "project": request.project,
        "subscription": request.subscription,
        "currency": request.plan.currency,
        "redeem": list(redeemed.answers),
        "periods": shown,
        "fullPriceFrom": None if request.cycle else day(full_price_from),
    }


def _read_discounts(session: Session, request: Preview, *, redeemed: AsIfRedeemed) -> InvoiceBatch:
    granted = find_covering(session, project=request.project, subscription=request.subscription or NOBODY)
    discounts = [*granted, *redeemed.discounts]
    any_invoice = _invoice(request, period=Period(start=date.min, end=date.max), trial=False)
    budgets = Budgets.read(session, discounts=discounts, invoices=[any_invoice])
    batch = InvoiceBatch(
        applied_at=read_clock(session), discounts=discounts, first_answers=FirstAnswers({}), budgets=budgets
    )
    read_of_all_cycles(session, batch.discounts())
    return batch


def _read_taken(session: Session, *, batch: InvoiceBatch, since: date) -> None:
    # A coming period may have an invoice already. A period without one has an empty dictionary.
    discounts = batch.discounts()
    read_cycles(session, [each for each in discounts if each.progress.last_end and each.progress.last_end > since])
    taken_of_each = taken_since(session, keys=[each.key for each in discounts], since=since)
    for each, taken in zip(discounts, taken_of_each, strict=True):
        each.taken_minor = defaultdict(dict, taken)
    read_given_back(session, discounts)


def _invoices(request: Preview, *, since: date) -> Iterator[Apply]:
    plan = Plan(interval=request.plan.interval, interval_count=request.plan.interval_count, anchor=request.plan.anchor)
    first = first_number(plan, on_or_after=since)
    for number in range(first, first + PERIODS_COMPUTED_MAX):
        period = period_of(plan, number=number)
        if number - first >= request.periods and period.end.year > YEAR_MAX:
            return
        yield _invoice(request, period=period, trial=number < request.plan.trial_periods)


def _invoice(request: Preview, *, period: Period, trial: bool) -> Apply:
    # Without validation: the request was validated, and a period may end after the last day that callers can send.
    return Apply.model_construct(
        project=request.project,
        invoice="",
        subscription=request.subscription or NOBODY,
        customer=request.customer or NOBODY,
        currency=request.plan.currency,
        period=PeriodMessage.model_construct(start=period.start, end=period.end),
        cycle=_cycle_around(request, period),
        trial=trial,
        lines=request.plan.lines,
    )


def _cycle_around(request: Preview, period: Period) -> PeriodMessage | None:
    cycle = request.cycle
    return cycle if cycle and cycle.start <= period.start < cycle.end else None


def _is_full_price(answer: Answer, *, changing: Collection[str]) -> bool:
    return answer["discountTotal"] == 0 and all(_is_permanent(each, changing=changing) for each in answer["skipped"])


def _is_permanent(skipped: Answer, *, changing: Collection[str]) -> bool:
    # The next phase of a ramp in months may have the currency. One in cycles waits for a cycle that it can discount.
    is_passing = skipped["reason"] == Skip.CURRENCY_MISMATCH and skipped["discount"] in changing
    return skipped["reason"] in PERMANENT_SKIPS and not is_passing


def _is_endless(batch: InvoiceBatch) -> bool:
    return any(
        each.has_advanced
        and each.row.recurrence == RecurrenceType.FOREVER
        and total_minor_of(each.row) is None
        and not each.row.has_budget
        for each in batch.discounts()
    )


def _period_answer(period: Period, *, trial: bool, answer: Answer, new_ids: Collection[str]) -> Answer:
    head = {"period": {"start": day(period.start), "end": day(period.end)}, "trial": trial}
    # A discount that does not exist yet has no id. Its voucher tells it apart, because a voucher runs only once.
    named = {
        name: [{**each, "discount": None} if each["discount"] in new_ids else each for each in answer[name]]
        for name in ("discounts", "skipped")
    }
    return {**head, **{name: answer[name] for name in SHOWN}, **named}
