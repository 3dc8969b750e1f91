"""The figures of a recovery, from given instants."""

import pytest

from benchmarks.recovery_figures import TIMES_MAX, Recovery, Undisturbed, merged, recovery_of
from benchmarks.steady_load import Sent
from benchmarks.table_line import TableLine, at_most

USUAL = Undisturbed(workers="two workers", latencies=[0.01] * 100, load_average=1)


def recovered(*, in_flight: tuple[float, ...] = (1, 2), new: tuple[float, ...] = (0.02, 0.02)) -> Recovery:
    """Return a recovery of a few requests."""
    return Recovery(in_flight=in_flight, new=new, unanswered=0, load_average=1.5)


def test_requests_are_in_flight_or_new_by_the_instant_of_the_recovery() -> None:
    """A request that was answered before is neither, and one without an answer is left out."""
    sent = [Sent("before", 1), Sent("in flight", 2), Sent("at the instant", 10), Sent("later", 11), Sent("never", 3)]
    arrived = {"before": 9.5, "in flight": 14, "at the instant": 10.5, "later": 11.25}
    found = recovery_of(sent, arrived, since=10, unanswered=1, load_average=2)
    assert (found.in_flight, found.new) == ([4], [0.5, 0.25])
    assert found.note == "1 in flight, 2 new, 1 answers only in the database, load average 2.0"


def test_the_last_answer_is_compared_with_a_lease() -> None:
    """The goal is half a minute, which is one and a half leases."""
    last, p99 = recovered(in_flight=(1, 30)).lines("a fault")
    assert (last.values, last.baselines, last.score, last.is_met) == ([30], [20], 1.5, True)
    assert p99.values == pytest.approx([29.71])
    assert p99.is_met is None
    assert not next(recovered(in_flight=(1, 30.1)).lines("a fault")).is_met


def test_new_requests_are_compared_with_the_undisturbed_load() -> None:
    """The goal is thrice the usual p99."""
    met = recovered(new=(0.03,) * 10).line_of_new("a fault", USUAL, goal=at_most(TIMES_MAX))
    missed = recovered(new=(0.031,) * 10).line_of_new("a fault", USUAL, goal=at_most(TIMES_MAX))
    assert [*met.values, *met.baselines] == pytest.approx([30, 10])
    assert met.is_met
    assert missed.is_met is False
    assert recovered().line_of_new("a fault", USUAL).is_met is None
    assert met.baseline == USUAL.line().measure


def test_the_database_has_a_third_of_its_outage_to_recover() -> None:
    """The goal is 5 s after 15 s."""
    last = recovered(in_flight=(1, 5)).line_of_outage("back", away_seconds=15)
    assert (last.values, last.baselines, last.is_met) == ([5], [15], True)


def test_the_undisturbed_load_is_shown_with_its_median() -> None:
    """The line has no goal."""
    line = Undisturbed(workers="two workers", latencies=[0.01] * 98 + [0.5] * 2, load_average=1).line()
    assert (line.baselines, line.is_met) == ([10], None)
    assert line.values == pytest.approx([500])


def test_the_samples_of_all_rounds_are_in_one_line() -> None:
    """The notes of the rounds follow each other. Lines without a note still have none."""
    rounds = [
        [TableLine(measure="last answer", baseline="a lease", values=[value], baselines=[20], note=f"load {value}")]
        for value in (1, 3)
    ]
    (line,) = merged(rounds)
    assert (line.values, line.baselines, line.note) == ([1, 3], [20, 20], "load 1; load 3")
    without_note = TableLine(measure="p99", baseline="a lease", values=[1], baselines=[20])
    assert merged([[without_note], [without_note]])[0].note == ""
