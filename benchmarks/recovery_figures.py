"""The figures of a recovery: how long messages in flight and new requests took, beside the load undisturbed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.steady_load import Sent
from benchmarks.sweeping import p99_ms
from benchmarks.table_line import NO_GOAL, Goal, TableLine, at_most

MILLISECONDS = 1_000
# The default visibility timeout, after which a dead worker's messages are redelivered.
LEASE_SECONDS = 20
# The goals: 30 s for everything in flight, 5 s after the return of the database, and thrice the usual p99.
LEASES_MAX = 1.5
OUTAGE_SHARE_MAX = 1 / 3
TIMES_MAX = 3


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """The seconds from the beginning of the recovery to each answer in flight, and the latencies of new requests."""

    in_flight: Sequence[float]
    new: Sequence[float]
    # Requests that were decided, but whose answer only the database has.
    unanswered: int
    load_average: float

    @property
    def note(self) -> str:
        """The number of messages, and the load of the machine."""
        lost = f", {self.unanswered:,} answers only in the database" if self.unanswered else ""
        return f"{len(self.in_flight):,} in flight, {len(self.new):,} new{lost}, load average {self.load_average:.1f}"

    def lines(self, fault: str) -> Iterator[TableLine]:
        """Yield the lines of a fault whose messages are redelivered within a lease."""
        last = self._line_of_last(fault, baseline="a lease", seconds=LEASE_SECONDS, goal=at_most(LEASES_MAX))
        yield last
        p99 = p99_ms(list(self.in_flight)) / MILLISECONDS
        yield replace(last, measure=f"{fault}: p99 of those in flight", values=[p99], goal=NO_GOAL, note="")

    def line_of_outage(self, fault: str, *, away_seconds: float) -> TableLine:
        """Return the line of an outage of the database, which has just ended."""
        return self._line_of_last(fault, baseline="the outage", seconds=away_seconds, goal=at_most(OUTAGE_SHARE_MAX))

    def line_of_new(self, fault: str, usual: "Undisturbed", *, goal: Goal = NO_GOAL) -> TableLine:
        """Return the line of the requests that were due after the beginning of the recovery."""
        return TableLine(
            measure=f"{fault}: new requests, p99",
            baseline=f"undisturbed, {usual.workers}, p99",
            values=[p99_ms(list(self.new))],
            baselines=[p99_ms(list(usual.latencies))],
            goal=goal,
            unit="ms",
        )

    def _line_of_last(self, fault: str, *, baseline: str, seconds: float, goal: Goal) -> TableLine:
        return TableLine(
            measure=f"{fault}: last answer in flight",
            baseline=baseline,
            values=[max(self.in_flight)],
            baselines=[seconds],
            goal=goal,
            unit="s",
            note=self.note,
        )


@dataclass(frozen=True, kw_only=True)
class Undisturbed:
    """The latencies without a fault, in seconds."""

    # How many, as the table shows it.
    workers: str
    latencies: Sequence[float]
    load_average: float

    def line(self) -> TableLine:
        """Return the line of the undisturbed load."""
        return TableLine(
            measure=f"undisturbed, {self.workers}, p99",
            baseline="the median",
            values=[p99_ms(list(self.latencies))],
            baselines=[median(self.latencies) * MILLISECONDS],
            unit="ms",
            note=f"{len(self.latencies):,} requests, load average {self.load_average:.1f}",
        )


def recovery_of(
    sent: Sequence[Sent], arrived: Mapping[str, float], *, since: float, unanswered: int, load_average: float
) -> Recovery:
    """Return the figures of a recovery that began at the instant `since`.

    A request that was answered before that does not count.
    """
    answered = [(each.due, arrived[each.id]) for each in sent if each.id in arrived]
    return Recovery(
        in_flight=[at - since for due, at in answered if due < since < at],
        new=[at - due for due, at in answered if due >= since],
        unanswered=unanswered,
        load_average=load_average,
    )


def merged(rounds: Sequence[Sequence[TableLine]]) -> list[TableLine]:
    """Return the lines of the first round with the samples and the notes of all rounds."""
    return [
        replace(
            same[0],
            values=[value for each in same for value in each.values],
            baselines=[value for each in same for value in each.baselines],
            note="; ".join(each.note for each in same if each.note),
        )
        for same in zip(*rounds, strict=True)
    ]
