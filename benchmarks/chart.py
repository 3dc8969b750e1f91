"""The figures as a bar chart, for the README. It needs matplotlib, which is in the extra `bench`.

`python -m benchmarks.chart docs/bench.json` draws what was measured before, wherever matplotlib is: it needs nothing
else that is not Python's own.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.line import Kind, Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "no chart was drawn: matplotlib is not installed (it is in the extra `bench`)"
OURS, THEIRS, BOUND = "#1f6f8b", "#c9ced6", "#b5442e"
WIDTH_INCHES, ROW_INCHES, HEAD_INCHES = 11, 0.62, 1.1


def draw(lines: Sequence[Line], *, path: Path, title: str) -> bool:
    """This function will draw the chart into a PNG file, or return False where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - everything else works without it
    except ImportError:
        return False
    rates = [each for each in lines if each.goal.kind is Kind.AT_LEAST_TIMES]
    others = [each for each in lines if each.goal.kind is not Kind.AT_LEAST_TIMES]
    heights = [max(1, len(rates)), max(1, len(others))]
    size = (WIDTH_INCHES, ROW_INCHES * sum(heights) + 2 * HEAD_INCHES)
    figure = Figure(figsize=size, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=heights)
    figure.suptitle(title, fontsize=9, color="#555555")
    _pairs(above, rates, title="a second, on a logarithmic scale: the longer the better")
    _pairs(below, others, title="milliseconds or MiB, on a logarithmic scale: the shorter the better")
    figure.savefig(path, dpi=120)
    return True


def _pairs(axes: "Axes", lines: Sequence[Line], *, title: str) -> None:
    places = range(len(lines))
    ours = [median(each.values) for each in lines]
    theirs = [median(each.baselines) for each in lines]
    bars = axes.barh([place - 0.2 for place in places], ours, height=0.38, color=OURS, label="Scrip")
    baselines = axes.barh([place + 0.2 for place in places], theirs, height=0.38, color=THEIRS, label="baseline")
    axes.bar_label(bars, labels=[_label(each, value) for each, value in zip(lines, ours, strict=True)], padding=4)
    named = [f"{value:,.0f}  {each.baseline}" for each, value in zip(lines, theirs, strict=True)]
    axes.bar_label(baselines, labels=named, padding=4, fontsize=8, color="#666666")
    for place, each in zip(places, lines, strict=True):
        if each.is_met is False:
            axes.text(0, place - 0.2, " goal not met ", color="white", fontsize=7, va="center", backgroundcolor=BOUND)
    axes.set_yticks(list(places), [each.measure for each in lines])
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, 100 * max([*ours, *theirs, 10]))
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)


def _label(line: Line, value: float) -> str:
    score = f"{line.score:+.1f} {line.unit}" if line.goal.kind is Kind.AT_MOST_MORE else f"{line.score:.2f} ×"
    return f"{value:,.0f}   ({score})"


def main(document: Path) -> None:
    """This function will draw the chart of a JSON file beside it."""
    measured = json.loads(document.read_text(encoding="utf-8"))
    counted = [part["lines"] for part in measured["parts"] if not part["violations"]]
    lines = [Line.from_json(line) for each in counted for line in each]
    title = f"{measured['machine']}, {measured['measuredAt']}"
    if not draw(lines, path=document.with_suffix(".png"), title=title):
        raise SystemExit(MISSING)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
