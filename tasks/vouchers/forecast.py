"""Forecast the costs of the running discounts of a project or of a voucher, by month and currency."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy.orm import Session

from domain.forecast import Series, forecast, months_from
from domain.recurrence import add_months
from domain.terms import RecurrenceType
from models.base import read_clock, read_one_snapshot
from models.vouchers.budget import find_budgets
from models.vouchers.forecast import (
    NotStartedRow,
    RunningCountRow,
    StartedRow,
    count_running,
    find_not_started,
    find_started,
)
from models.vouchers.look_up import find_voucher
from models.vouchers.ramp_forecast import NotStartedRampRow, find_not_started_ramps, find_started_ramps
from tasks.intake.task import contract_task
from tasks.vouchers.messages import Forecast
from tasks.vouchers.ramp_forecast import series_of_not_started, series_of_started
from tasks.wire.answers import Answer, day, identity
from tasks.wire.errors import found
from tasks.wire.replay import AnswerTable
from worker.database import transaction

ASSUMPTIONS = (
    "Every discount that runs goes on running, and no other one is granted.",
    "A discount takes in each cycle what it took on average in those in the ledger, currency by currency.",
    "A phase of one in phases takes its percentage of the average base so far, or its amount.",
    "One that has not begun begins at once, or on its startsOn, and takes its voucher's average.",
    "One without known amounts, also of its voucher, is withoutHistory: it costs the amounts of its phases at most.",
    "Cycles are as long as the ledger's periods on average; whole months give or take 3 days are months.",
    "A cycle costs in the month in which its period begins, also where its invoice is not there yet.",
    "Windows, numbers of cycles, balances, maximums in all and budgets end what they end.",
)


@contract_task("vouchers.forecast", message=Forecast, first_answer=AnswerTable.READS)
def forecast_vouchers(request: Forecast) -> Answer:
    """Forecast the costs of running discounts."""
    with transaction() as session:
        read_one_snapshot(session)
        return forecast_costs(session, request)


def forecast_costs(session: Session, request: Forecast) -> Answer:
    """Return a forecast from the averages in the ledger. Raises NotFound if the voucher does not exist."""
    project, voucher = request.project, request.voucher
    if voucher is not None:
        found(find_voucher(session, project=project, id=voucher), "voucher")
    (this_month,) = months_from(read_clock(session).date(), months=1)
    months = months_from(request.from_ or this_month, months=request.months)
    # Cycles between now and the first month are not shown, but they use up durations, balances and budgets.
    since = min(this_month, months[0])
    started = find_started(session, project=project, voucher_id=voucher, since=since)
    not_started = find_not_started(session, project=project, voucher_id=voucher, since=since)
    ramps = find_started_ramps(session, project=project, voucher_id=voucher, since=since)
    new_ramps = find_not_started_ramps(session, project=project, voucher_id=voucher, since=since)
    series = [*map(_series_of_started, started), *filter(None, map(_series_of_not_started, not_started))]
    under_totals = [*series_of_started(ramps), *series_of_not_started(new_ramps)]
    all_series = [*series, *(one for each in under_totals for one in each.series)]
    left = find_budgets(session, keys=[(project, each.voucher_id, each.currency) for each in all_series])
    budgets = {key[1:]: value for key, value in left.items()}
    costs = forecast(series, under_totals=under_totals, since=since, months=months, budgets_left_minor=budgets)
    counted = count_running(session, project=project, voucher_id=voucher, since=months[0])
    return {
        "object": "forecast",
        "project": project,
        "voucher": identity("vou", voucher),
        "from": day(months[0]),
        "months": [{"month": _month(each), "amounts": cost} for each, cost in zip(months, costs, strict=True)],
        "totals": {
            currency: sum(cost.get(currency, 0) for cost in costs)
            for currency in sorted({each for cost in costs for each in cost})
        },
        "basis": _basis(counted, not_started=[*not_started, *new_ramps]),
        "assumptions": list(ASSUMPTIONS),
    }


def _month(first: date) -> str:
    return first.isoformat()[: len("2031-01")]


def _basis(counted: RunningCountRow, *, not_started: Sequence[NotStartedRow | NotStartedRampRow]) -> Answer:
    unknown = counted.untold + sum(row.discounts for row in not_started if row.currency is None)
    return {
        "discounts": counted.discounts,
        "byOwnAverage": counted.started,
        "byVoucherAverage": counted.discounts - counted.started - unknown,
        "withoutHistory": unknown,
        "cyclesInLedger": counted.cycles,
    }


def _series_of_started(row: StartedRow) -> Series:
    return Series(
        voucher_id=row.voucher_id,
        currency=row.currency,
        per_cycle_minor=Fraction(row.per_cycle),
        anchor=row.anchor,
        next_on=row.next_on,
        cycle_days=row.cycle_days,
        ends_on=row.ends_on,
        cycles_left=row.cycles_left,
        rest_minor=Fraction(row.rest),
    )


def _series_of_not_started(row: NotStartedRow) -> Series | None:
    """Return discounts that take the average of their voucher, or None if the voucher has no entry in the ledger."""
    if row.currency is None or row.per_cycle is None or row.cycle_days is None:
        return None
    average, months = Fraction(row.per_cycle), row.duration_in_months
    cycles = 1 if row.recurrence == RecurrenceType.ONCE else row.duration_in_cycles
    rest = Fraction()
    if row.total is not None and average and (cycles is None or row.total < cycles * average):
        cycles = int(row.total // average)
        rest = row.total - cycles * average
    return Series(
        voucher_id=row.voucher_id,
        currency=row.currency,
        per_cycle_minor=average * row.discounts,
        anchor=row.next_on,
        next_on=row.next_on,
        cycle_days=row.cycle_days,
        ends_on=None if months is None else add_months(row.next_on, months=months),
        cycles_left=cycles,
        rest_minor=rest * row.discounts,
    )
