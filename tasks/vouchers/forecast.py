"""Looking ahead: what the running discounts of a project or of a voucher will still cost, by month and currency."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy.orm import Session

from domain.forecast import Series, forecast, months_from
from domain.recurrence import add_months
from domain.terms import RecurrenceType
from models.base import StoredRow, read_clock, read_one_snapshot
from models.vouchers.budget import find_budgets
from models.vouchers.forecast import count_running, find_started, find_waiting
from models.vouchers.look_up import find_voucher
from tasks.vouchers.messages import Forecast
from tasks.wire.answers import Answer, day, identity
from tasks.wire.errors import found
from tasks.wire.task import contract_task
from worker.database import transaction

ASSUMPTIONS = (
    "Every discount that runs goes on running, and no other one is granted.",
    "A discount takes in each cycle what it took on average in those in the ledger, currency by currency.",
    "One that has not begun begins at once, or on its startsOn, and takes its voucher's average.",
    "One whose voucher has no entry in the ledger costs nothing here: it is counted as withoutHistory.",
    "Cycles are as long as the ledger's periods on average; whole months give or take 3 days are months.",
    "A cycle costs in the month in which its period begins, also where its invoice is not there yet.",
    "Windows, numbers of cycles, balances and budgets end what they end.",
)


@contract_task("vouchers.forecast", message=Forecast)
def forecast_vouchers(request: Forecast) -> Answer:
    """This task will forecast what running discounts will cost."""
    with transaction() as session:
        read_one_snapshot(session)
        return forecast_costs(session, request)


def forecast_costs(session: Session, request: Forecast) -> Answer:
    """This function will go on from the ledger's averages, or raise NotFound where there is no such voucher."""
    project, voucher = request.project, request.voucher
    if voucher is not None:
        found(find_voucher(session, project=project, id=voucher), "voucher")
    (this_month,) = months_from(read_clock(session).date(), months=1)
    months = months_from(request.from_ or this_month, months=request.months)
    # What lies between now and the first month that is asked for is not had twice.
    since = min(this_month, months[0])
    begun = find_started(session, project=project, voucher_id=voucher, since=since)
    to_begin = find_waiting(session, project=project, voucher_id=voucher, since=since)
    series = [_going_on(row) for row in begun] + [_beginning(row) for row in to_begin if row.currency is not None]
    left = find_budgets(session, keys=[(project, each.voucher_id, each.currency) for each in series])
    budgets = {key[1:]: value for key, value in left.items()}
    costs = forecast(series, since=since, months=months, budgets_left_minor=budgets)
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
        "basis": _basis(counted, to_begin=to_begin),
        "assumptions": list(ASSUMPTIONS),
    }


def _month(first: date) -> str:
    return first.isoformat()[: len("2031-01")]


def _basis(counted: StoredRow, *, to_begin: Sequence[StoredRow]) -> Answer:
    unknown = sum(row.discounts for row in to_begin if row.currency is None)
    return {
        "discounts": counted.discounts,
        "byOwnAverage": counted.find_started,
        "byVoucherAverage": counted.discounts - counted.find_started - unknown,
        "withoutHistory": unknown,
        "cyclesInLedger": int(counted.cycles),
    }


def _going_on(row: StoredRow) -> Series:
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


def _beginning(row: StoredRow) -> Series:
    """This function will return what discounts of one voucher take that have not begun, by the voucher's average."""
    average, months = Fraction(row.per_cycle), row.duration_in_months
    cycles = 1 if row.recurrence == RecurrenceType.ONCE else row.duration_in_cycles
    rest = Fraction()
    if row.balance is not None and (cycles is None or row.balance < cycles * average):
        cycles = int(row.balance // average)
        rest = row.balance - cycles * average
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
