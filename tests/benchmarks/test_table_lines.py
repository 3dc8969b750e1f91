"""The table, the JSON file and the chart, made from given samples, and the taking of samples."""

import json
import sys
from functools import partial
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import chart
from benchmarks.__main__ import MeasureResult, counted, table_of
from benchmarks.sampling import count_for_seconds, in_turn
from benchmarks.table_line import Goal, TableLine, at_least, at_most, at_most_more

ANY = at_least(1)


def line(goal: Goal = ANY, *, values: tuple[float, ...] = (30, 10, 20)) -> TableLine:
    """Return a line with a median of 20 beside a baseline of 10."""
    return TableLine(measure="redeeming", baseline="nothing", values=values, baselines=(10, 10, 10), goal=goal)


def result_of(
    *lines: TableLine, violations: tuple[str, ...] = (), failure: str = "", stolen_share: float = 0
) -> MeasureResult:
    """Return the result of a measure."""
    return MeasureResult(
        name="measure",
        lines=lines,
        violations=violations,
        failure=failure,
        seconds=1,
        loop_seconds_before=1,
        loop_seconds_after=1,
        stolen_share=stolen_share,
        load_average=0,
    )


def printed(*results: MeasureResult) -> str:
    """Return the table as it is printed."""
    written = StringIO()
    Console(width=200, file=written).print(table_of(results, title="machine"))
    return written.getvalue()


@pytest.mark.parametrize(
    ("goal", "score", "is_met"),
    [
        pytest.param(at_least(2), 2, True, id="as many times as asked"),
        pytest.param(at_least(2.01), 2, False, id="fewer times than asked"),
        pytest.param(at_most(2), 2, True, id="as many times as allowed"),
        pytest.param(at_most(1.99), 2, False, id="more times than allowed"),
        pytest.param(at_most_more(10), 10, True, id="as much more as allowed"),
        pytest.param(at_most_more(9.9), 10, False, id="more than allowed"),
    ],
)
def test_a_goal_is_met_at_its_bound(goal: Goal, score: float, is_met: bool) -> None:
    """The median of the pairs counts, for each kind of comparison."""
    assert (line(goal).score, line(goal).is_met) == (score, is_met)


def test_each_pair_is_compared_by_itself() -> None:
    """A slow machine during one pair changes that ratio, not the median of all."""
    slow = TableLine(measure="", baseline="", values=(300, 30, 200), baselines=(100, 10, 100), goal=at_least(3))
    assert slow.score == 3


def test_figures_do_not_count_when_the_audit_found_something() -> None:
    """The table has a note instead of figures, and the chart leaves the line out."""
    sound, unsound = result_of(line()), result_of(line(), violations=("a voucher was over-redeemed",))
    assert "20/s" not in printed(unsound)
    assert "does not count" in printed(unsound)
    assert "a voucher was over-redeemed" in printed(unsound)
    assert "20.0/s" in printed(sound)
    assert counted([sound, unsound]) == list(sound.lines)


def test_a_goal_is_neither_met_nor_missed_while_others_had_the_processors() -> None:
    """The figures are shown, with the share of the processors that others took."""
    calm, disturbed = (printed(result_of(line(), stolen_share=share)) for share in (0.1, 0.25))
    assert " met " in calm
    assert "disturbed" not in calm
    assert " met " not in disturbed
    assert "disturbed" in disturbed
    assert "25% of the processors' time" in disturbed


def test_a_measure_that_failed_says_why() -> None:
    """The other measures are shown."""
    shown = printed(result_of(failure="the queue was not empty"), result_of(line()))
    assert "not measured" in shown
    assert "the queue was not empty" in shown
    assert "20.0/s" in shown


def test_a_goal_that_is_missed_is_shown_as_missed() -> None:
    """The table says so in words, not by colour alone."""
    assert "NOT MET" in printed(result_of(line(at_least(3))))
    assert "NOT MET" not in printed(result_of(line(at_least(2))))


def test_a_line_survives_the_json_file() -> None:
    """The chart can be drawn from the file on another machine."""
    for goal in (at_least(2), at_most(2), at_most_more(10)):
        document = json.loads(json.dumps(line(goal, values=(10, 20, 30)).as_json()))
        assert TableLine.from_json(document).as_json() == document | {"values": [10, 20, 30], "baselines": [10, 10, 10]}


def test_measures_take_turns() -> None:
    """A slow minute of the machine affects all of them."""
    order: list[str] = []

    def take(name: str) -> float:
        order.append(name)
        return 1.0

    assert in_turn({name: partial(take, name) for name in "ab"}, repetitions=3) == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert order == list("ababab")


def test_the_count_fits_the_time_within_bounds() -> None:
    """The count follows from the rate of a warm-up."""
    assert count_for_seconds(lambda _: 1_000, first=10, seconds=2, most=10_000) == 2_000
    assert count_for_seconds(lambda _: 1_000, first=10, seconds=2, most=500) == 500
    # A measure that works in batches is faster with more requests.
    assert count_for_seconds(lambda count: count * 10, first=10, seconds=1, most=10_000) == 1_000
    assert count_for_seconds(lambda _: 1, first=10, seconds=2, most=500) == 10


def test_without_matplotlib_there_is_no_chart_and_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table and the JSON file do not need matplotlib."""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert not chart.draw([line()], path=tmp_path / "bench.png", title="machine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_chart_is_a_png(tmp_path: Path) -> None:
    """The test is skipped if matplotlib is not installed."""
    pytest.importorskip("matplotlib")
    lines = [line(), line(at_least(3)), line(at_most_more(10)), line(at_most(1))]
    assert chart.draw(lines, path=tmp_path / "bench.png", title="machine")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
