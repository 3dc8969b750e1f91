"""The billing cycles that a discount had in another system, from the current period of its subscription."""

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count

from domain.recurrence import MONTHS_PER_YEAR, add_months
from domain.value_class import value
from tasks.wire.answers import Answer, day

# A discount that comes with its subscription begins with the first period, give or take the time of two requests.
TOLERANCE = timedelta(minutes=1)
DAYS_OF = {"day": 1, "week": 7}
MONTHS_OF = {"month": 1, "year": MONTHS_PER_YEAR}
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
    if name in DAYS_OF:
        return Interval(days=DAYS_OF[name] * number)
    return Interval(months=MONTHS_OF[name] * number) if name in MONTHS_OF else None


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
    if not had:
        return {"startsOn": day(subscription.end.date())}
    return {
        "firstCycleStart": day(had[-1].date()),
        "cycles": len(had),
        "lastCycle": {"start": day(had[0].date()), "end": day(end.date())},
    }


def has_more_here(subscription: Subscription, *, begins: datetime, ends: datetime, first: date) -> bool:
    """Return whether a discount of months would have a cycle after its end there.

    Its months count from `first` here. It can if periods are no months, and the discount has begun within one.
    """
    months = (ends.year - begins.year) * MONTHS_PER_YEAR + ends.month - begins.month
    end_here = add_months(first, months=months)
    for start in subscription.starts(step=-1):
        if start.date() >= end_here:
            return False
        if start >= ends:
            return True
    return False
