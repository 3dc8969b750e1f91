"""The billing cycles that a discount had in another system, from the current period of its subscription."""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import count

from domain.recurrence import MONTHS_PER_YEAR, add_months
from domain.value_class import value
from tasks.wire.answers import Answer, day

# A discount that comes with its subscription begins with the first period, give or take the time of two requests.
TOLERANCE = timedelta(minutes=1)
DAYS_OF = {"day": 1, "week": 7}
MONTHS_OF = {"month": 1, "year": MONTHS_PER_YEAR}
DAYS_PER_YEAR = 365
# No system has longer periods, and further back there is no calendar.
YEARS_MAX = 100
FIRST_OF_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@value
class Interval:
    """The length of a billing period, in months or in days."""

    months: int = 0
    days: int = 0

    def back(self, day_: date, *, times: int, anchor_day: int) -> date:
        """Return the start of the period that many times before, on the anchor's day if the month is long enough."""
        if self.days:
            return day_ - timedelta(days=self.days * times)
        month = add_months(day_.replace(day=1), months=-self.months * times)
        return month.replace(day=min(anchor_day, monthrange(month.year, month.month)[1]))


@value
class Subscription:
    """The billing of a subscription: its current period, its interval, and the day that anchors its periods."""

    start: datetime
    end: datetime
    interval: Interval
    anchor_day: int

    def starts(self, *, step: int) -> Iterator[datetime]:
        """Yield the start of the current period and of those before (step 1) or after it (step -1)."""
        last = monthrange(self.start.year, self.start.month)[1]
        # A subscription may have been given another anchor since.
        anchor = self.anchor_day if min(self.anchor_day, last) == self.start.day else self.start.day
        for times in count(step=step):
            other = self.interval.back(self.start.date(), times=times, anchor_day=anchor)
            at = datetime.combine(other, self.start.timetz())
            if at < FIRST_OF_ALL:
                return
            yield at


def interval_of(name: object, number_of: object) -> Interval | None:
    """Return the interval of so many days, weeks, months or years, or None if these are not what it says."""
    number = 1 if number_of is None else number_of
    if not isinstance(name, str) or not isinstance(number, int) or number < 1:
        return None
    interval = Interval(months=MONTHS_OF.get(name, 0) * number, days=DAYS_OF.get(name, 0) * number)
    is_known = name in MONTHS_OF or name in DAYS_OF
    years = max(interval.months // MONTHS_PER_YEAR, interval.days // DAYS_PER_YEAR)
    return interval if is_known and years < YEARS_MAX else None


def cycles_had(subscription: Subscription, *, begins: datetime, ends: datetime | None) -> Answer:
    """Return the fields of `discounts.import` for the cycles that began between both instants.

    A discount without such a cycle begins with the next period, as it does there.
    """
    had, end = list[datetime](), subscription.end
    for start in subscription.starts(step=1):
        if start < begins - TOLERANCE:
            break
        if ends is None or start < ends:
            had.append(start)
        elif not had:
            # The cycle before it is the last, and ends here.
            end = start
    return _fields(had, end=end) if had else none_had(subscription)


def none_had(subscription: Subscription) -> Answer:
    """Return the fields of `discounts.import` for a discount that begins with the next period."""
    return {"startsOn": day(subscription.end.date())}


def cycles_since(subscription: Subscription, *, begins: datetime) -> Answer:
    """Return the fields for all cycles from the one in which a discount began until now.

    Periods that fell on the last day of a shorter month may have stayed on that day, so they need not meet `begins`.
    """
    had = list[datetime]()
    for start in subscription.starts(step=1):
        had.append(start)
        if start <= begins + TOLERANCE:
            break
    return _fields(had, end=subscription.end)


def _fields(had: Sequence[datetime], *, end: datetime) -> Answer:
    return {
        "firstCycleStart": day(had[-1].date()),
        "cycles": len(had),
        "lastCycle": {"start": day(had[0].date()), "end": day(end.date())},
    }


def differs_here(subscription: Subscription, *, months: int, ends: datetime, first: date) -> bool:
    """Return whether a discount of months would have more or fewer cycles to come here than until its end there.

    Its months count from `first` here.
    """
    end_here = add_months(first, months=months)
    for start in subscription.starts(step=-1):
        is_there = start < ends
        if is_there is not (start.date() < end_here):
            return True
        if not is_there:
            return False
    return False


def months_between(begins: datetime, ends: datetime) -> int:
    """Return the months of a discount, whatever the days."""
    return (ends.year - begins.year) * MONTHS_PER_YEAR + ends.month - begins.month
