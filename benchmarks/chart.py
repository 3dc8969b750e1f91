"""The figures as a bar chart, for the README. The chart needs matplotlib, which is in the extra `bench`.

`python -m benchmarks.chart docs/bench.json` draws the figures of an earlier run on any machine with matplotlib. Nothing
else beside the standard library is needed.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.table_line import Kind, TableLine

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MISSING = "no chart was drawn: matplotlib is not installed (it is in the extra `bench`)"
OURS, THEIRS, BOUND = "#1f6f8b", "#c9ced6", "#b5442e"
WIDTH_INCHES, ROW_INCHES, HEAD_INCHES = 11, 0.62, 1.1


def draw(lines: Sequence[TableLine], *, path: Path, title: str) -> bool:
    """Draw the chart into a PNG file. Return False if matplotlib is not installed."""
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


def _pairs(axes: "Axes", lines: Sequence[TableLine], *, title: str) -> None:
    rows = range(len(lines))
    ours = [median(each.values) for each in lines]
    theirs = [median(each.baselines) for each in lines]
    bars = axes.barh([row - 0.2 for row in rows], ours, height=0.38, color=OURS, label="Scrip")
    baselines = axes.barh([row + 0.2 for row in rows], theirs, height=0.38, color=THEIRS, label="baseline")
    axes.bar_label(bars, labels=[_label(each, value) for each, value in zip(lines, ours, strict=True)], padding=4)
    named = [f"{value:,.0f}  {each.baseline}" for each, value in zip(lines, theirs, strict=True)]
    axes.bar_label(baselines, labels=named, padding=4, fontsize=8, color="#666666")
    for row, each in zip(rows, lines, strict=True):
        if each.is_met is False:
            axes.text(0, row - 0.2, " goal not met ", color="white", fontsize=7, va="center", backgroundcolor=BOUND)
    axes.set_yticks(list(rows), [each.measure for each in lines])
    axes.set_xscale("symlog", linthresh=10)
    axes.set_xlim(0, 100 * max([*ours, *theirs, 10]))
    axes.invert_yaxis()
    axes.set_title(title, fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(left=False)


def _label(line: TableLine, value: float) -> str:
    score = f"{line.score:+.1f} {line.unit}" if line.goal.kind is Kind.AT_MOST_MORE else f"{line.score:.2f} ×"
    return f"{value:,.0f}   ({score})"


def main(document: Path) -> None:
    """Draw the chart of a JSON file into the same folder."""
    measured = json.loads(document.read_text(encoding="utf-8"))
    counted = [part["lines"] for part in measured["parts"] if not part["violations"]]
    lines = [TableLine.from_json(line) for each in counted for line in each]
    title = f"{measured['machine']}, {measured['measuredAt']}"
    if not draw(lines, path=document.with_suffix(".png"), title=title):
        raise SystemExit(MISSING)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
