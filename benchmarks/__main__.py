"""Every measure beside its baseline, on real servers: `make bench`, and `make bench-scale` for the largest measures.

The command prints a table and writes a JSON file and a chart. Each measure has its own database, which is audited
afterwards. If the audit finds a violation, the figures do not count and the exit code is 1.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import (
    chart,
    invoicing,
    latency,
    redeeming,
    redeeming_alone,
    sending,
    stored_redemptions,
    sweeping,
    worker_memory,
)
from benchmarks.machine import calibration_seconds, machine, stolen_seconds
from benchmarks.plan import FULL, QUICK, SCALE, Plan
from benchmarks.sampling import MeasureFailed
from benchmarks.servers import CHECKOUT, BenchmarkServers, benchmark_servers
from benchmarks.table_line import TableLine
from scrip.stack.process import StackProcessFailed

MEASURES: dict[str, Callable[[BenchmarkServers, Plan], Iterator[TableLine]]] = {
    "single": redeeming.single,
    "bulk": redeeming.bulk,
    "redeem-all": redeeming_alone.alone,
    "apply-many": invoicing.end_to_end,
    "apply-all": invoicing.alone,
    "sweep": sweeping.sweep,
    "latency": latency.at_half_load,
    "stored": stored_redemptions.stored,
    "memory": worker_memory.memory,
    "sending": sending.many_at_once,
}
# The measures that need the largest tables and the most messages. They take long enough alone.
SCALE_MEASURES = ("stored", "memory")
COLUMNS = ("measure", "median", "lowest – highest", "baseline", "median", "lowest – highest", "ratio", "goal", "")
WIDTH = 190
# If other machines take a larger share of the processors' time, a figure says nothing about its goal.
STOLEN_SHARE_MAX = 0.1


class Size(StrEnum):
    """The size of the measures. The plans are in plan.py."""

    QUICK = "quick"
    FULL = "full"
    SCALE = "scale"


PLANS = {Size.QUICK: QUICK, Size.FULL: FULL, Size.SCALE: SCALE}


@dataclass(frozen=True, kw_only=True)
class MeasureResult:
    """The result of a measure, with the speed of the machine before and after."""

    name: str
    lines: Sequence[TableLine]
    # The reason if the measure failed, or an empty text.
    failure: str
    violations: Sequence[str]
    seconds: float
    loop_seconds_before: float
    loop_seconds_after: float
    # The share of the processors' time that other machines on the same host took.
    stolen_share: float
    load_average: float


def run(
    only: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(MEASURES)}. Default: all.")] = None,
    size: Annotated[Size, typer.Option(help="The size of the measures.")] = Size.FULL,
    into: Annotated[Path, typer.Option(help="The folder for bench.json and bench.png.")] = CHECKOUT / "docs",
) -> None:
    """Measure, print the table, and write bench.json and bench.png."""
    names = only or (SCALE_MEASURES if size is Size.SCALE else tuple(MEASURES))
    if unknown := set(names) - set(MEASURES):
        raise typer.BadParameter(f"there is no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    console = Console(width=WIDTH)
    into.mkdir(parents=True, exist_ok=True)
    path = into / ("bench-scale.json" if size is Size.SCALE else "bench.json")
    with benchmark_servers(postgres=PLANS[size].postgres) as servers:
        durability = servers.durability()
        results: list[MeasureResult] = []
        for name in names:
            measure = partial(MEASURES[name], servers, PLANS[size])
            results.append(take_measure(name, measure, servers, console=console))
            # Written after each measure, so that an interrupted run leaves its results.
            write(results, path=path, size=size, durability=durability)
    title = f"{machine()}; {'; '.join(f'{name} {value}' for name, value in durability.items())}"
    console.print(table_of(results, title=title))
    if not chart.draw(counted(results), path=path.with_suffix(".png"), title=title):
        console.print(chart.MISSING)
    raise typer.Exit(1 if any(result.violations or result.failure for result in results) else 0)


def take_measure(
    name: str, measure: Callable[[], Iterable[TableLine]], servers: BenchmarkServers, *, console: Console
) -> MeasureResult:
    """Take a measure, between two calibrations of the machine."""
    before, started, stolen = calibration_seconds(), time.monotonic(), stolen_seconds()
    servers.violations.clear()
    lines, failure = [], ""
    try:
        lines = list(measure())
    except (MeasureFailed, StackProcessFailed) as error:
        failure = str(error)
    seconds = time.monotonic() - started
    stolen_share = (stolen_seconds() - stolen) / seconds / (os.cpu_count() or 1)
    result = MeasureResult(
        name=name,
        lines=lines,
        failure=failure,
        violations=[str(each) for each in servers.violations],
        seconds=seconds,
        loop_seconds_before=before,
        loop_seconds_after=calibration_seconds(),
        stolen_share=stolen_share,
        load_average=os.getloadavg()[0],
    )
    console.print(f"{name}: {result.seconds:.0f} s, {machine_speed(result)}", highlight=False)
    return result


def machine_speed(result: MeasureResult) -> str:
    """Return a text about the speed of the machine during a measure."""
    additions = (
        f"10^7 additions took {result.loop_seconds_before:.2f} s before, {result.loop_seconds_after:.2f} s after"
    )
    return f"{additions}, and others had {result.stolen_share:.0%} of the processors' time"


def counted(results: Sequence[MeasureResult]) -> list[TableLine]:
    """Return the lines of measures whose databases passed the audit."""
    return [line for result in results if not result.violations for line in result.lines]


def table_of(results: Sequence[MeasureResult], *, title: str) -> Table:
    """Return the table. For a measure that failed or whose audit found a violation, it has no figures."""
    table = Table(*COLUMNS, title=title)
    for result in results:
        if result.failure:
            table.add_row(result.name, "not measured")
        for line in result.lines:
            if result.violations:
                table.add_row(line.measure, "does not count")
            else:
                *figures, verdict = line.cells()
                table.add_row(*figures, "disturbed" if result.stolen_share > STOLEN_SHARE_MAX else verdict)
    notes = [f"{line.measure}: {line.note}" for line in counted(results) if line.note]
    failed = [f"{result.name}: {result.failure}" for result in results if result.failure]
    unsound = [
        f"{result.name}: the audit found {len(result.violations)} violations; first: {result.violations[0]}"
        for result in results
        if result.violations
    ]
    table.caption = "\n".join(
        [*(f"{result.name}: {machine_speed(result)}" for result in results), *notes, *failed, *unsound]
    )
    return table


def write(results: Sequence[MeasureResult], *, path: Path, size: Size, durability: dict[str, str]) -> None:
    """Write every sample into a JSON file."""
    document: dict[str, Any] = {
        "measuredAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "size": size,
        "durability": durability,
        "parts": [{**asdict(result), "lines": [line.as_json() for line in result.lines]} for result in results],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(run)
