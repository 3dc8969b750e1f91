"""Every measure beside its baseline, on real servers: `make bench`, and `make bench-scale` for the largest ones.

It prints a table and writes a JSON file and a chart. Each line has a database of its own, which is audited after it;
where the audit finds something, the line's figures do not count, and the exit code is 1.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks import chart, deciding, invoicing, redeeming, remembering, sending, storing, sweeping, waiting
from benchmarks.line import Line, MeasureFailed
from benchmarks.machine import calibration_seconds, machine, stolen_seconds
from benchmarks.plan import FULL, QUICK, SCALE, Plan
from benchmarks.stage import CHECKOUT, Stage, stage
from scrip.stack.process import StackProcessFailed

MEASURES: dict[str, Callable[[Stage, Plan], Iterator[Line]]] = {
    "single": redeeming.single,
    "bulk": redeeming.bulk,
    "redeem-all": deciding.alone,
    "apply-many": invoicing.end_to_end,
    "apply-all": invoicing.alone,
    "sweep": sweeping.sweep,
    "latency": waiting.at_half_load,
    "stored": storing.stored,
    "memory": remembering.memory,
    "sending": sending.many_at_once,
}
# Those that take long enough by themselves.
SCALE_MEASURES = ("stored", "memory")
COLUMNS = ("measure", "median", "lowest – highest", "baseline", "median", "lowest – highest", "ratio", "goal", "")
WIDTH = 190
# While other machines have more of the processors' time than this, a figure says nothing about its goal.
STOLEN_SHARE_MAX = 0.1


class Size(StrEnum):
    """How much is measured; see plan.py."""

    QUICK = "quick"
    FULL = "full"
    SCALE = "scale"


PLANS = {Size.QUICK: QUICK, Size.FULL: FULL, Size.SCALE: SCALE}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one measure gave, with how fast the machine was before and after it."""

    name: str
    lines: Sequence[Line]
    # Why it could not be taken, where it could not.
    failure: str
    violations: Sequence[str]
    seconds: float
    loop_seconds_before: float
    loop_seconds_after: float
    # Of the processors' time, by other machines on the same host.
    stolen_share: float
    load_average: float


def run(
    only: Annotated[list[str] | None, typer.Argument(help=f"Some of {', '.join(MEASURES)}; else all.")] = None,
    size: Annotated[Size, typer.Option(help="How much is measured.")] = Size.FULL,
    into: Annotated[Path, typer.Option(help="The folder for bench.json and bench.png.")] = CHECKOUT / "docs",
) -> None:
    """Measure, print the table, and write bench.json and bench.png."""
    names = only or (SCALE_MEASURES if size is Size.SCALE else tuple(MEASURES))
    if unknown := set(names) - set(MEASURES):
        raise typer.BadParameter(f"there is no measure {', '.join(sorted(unknown))}; there are {', '.join(MEASURES)}")
    console = Console(width=WIDTH)
    into.mkdir(parents=True, exist_ok=True)
    path = into / ("bench-scale.json" if size is Size.SCALE else "bench.json")
    with stage(postgres=PLANS[size].postgres) as made:
        durability = made.durability()
        parts: list[Measured] = []
        for name in names:
            parts.append(measured(name, made, PLANS[size], console=console))
            # A run that is interrupted has measured something.
            write(parts, path=path, size=size, durability=durability)
    title = f"{machine()}; {'; '.join(f'{name} {value}' for name, value in durability.items())}"
    console.print(table_of(parts, title=title))
    if not chart.draw(counted(parts), path=path.with_suffix(".png"), title=title):
        console.print(chart.MISSING)
    raise typer.Exit(1 if any(part.violations or part.failure for part in parts) else 0)


def measured(name: str, made: Stage, plan: Plan, *, console: Console) -> Measured:
    """This function will take one measure, between two looks at how fast the machine is."""
    before, started, stolen = calibration_seconds(), time.monotonic(), stolen_seconds()
    made.violations.clear()
    lines, failure = [], ""
    try:
        lines = list(MEASURES[name](made, plan))
    except (MeasureFailed, StackProcessFailed) as error:
        failure = str(error)
    seconds = time.monotonic() - started
    stolen_share = (stolen_seconds() - stolen) / seconds / (os.cpu_count() or 1)
    part = Measured(
        name=name,
        lines=lines,
        failure=failure,
        violations=[str(each) for each in made.violations],
        seconds=seconds,
        loop_seconds_before=before,
        loop_seconds_after=calibration_seconds(),
        stolen_share=stolen_share,
        load_average=os.getloadavg()[0],
    )
    console.print(f"{name}: {part.seconds:.0f} s, {loops(part)}", highlight=False)
    return part


def loops(part: Measured) -> str:
    """This function will say how fast the machine was then."""
    additions = f"10^7 additions took {part.loop_seconds_before:.2f} s before, {part.loop_seconds_after:.2f} s after"
    return f"{additions}, and others had {part.stolen_share:.0%} of the processors' time"


def counted(parts: Sequence[Measured]) -> list[Line]:
    """This function will return the lines whose database was found without a fault."""
    return [line for part in parts if not part.violations for line in part.lines]


def table_of(parts: Sequence[Measured], *, title: str) -> Table:
    """This function will make the table, with a line of its own where an audit has found something."""
    table = Table(*COLUMNS, title=title)
    for part in parts:
        if part.failure:
            table.add_row(part.name, "not measured")
        for line in part.lines:
            if part.violations:
                table.add_row(line.measure, "does not count")
            else:
                *figures, verdict = line.cells()
                table.add_row(*figures, "disturbed" if part.stolen_share > STOLEN_SHARE_MAX else verdict)
    notes = [f"{line.measure}: {line.note}" for line in counted(parts) if line.note]
    failed = [f"{part.name}: {part.failure}" for part in parts if part.failure]
    unsound = [
        f"{part.name}: the audit found {len(part.violations)} violations; first: {part.violations[0]}"
        for part in parts
        if part.violations
    ]
    table.caption = "\n".join([*(f"{part.name}: {loops(part)}" for part in parts), *notes, *failed, *unsound])
    return table


def write(parts: Sequence[Measured], *, path: Path, size: Size, durability: dict[str, str]) -> None:
    """This function will write every sample into a JSON file."""
    document: dict[str, Any] = {
        "measuredAt": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "size": size,
        "durability": durability,
        "parts": [{**asdict(part), "lines": [line.as_json() for line in part.lines]} for part in parts],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(run)
