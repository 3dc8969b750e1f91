"""`scrip demo`: the whole of Scrip on real servers, with each answer compared with the expectation."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from scrip.demo.checks import Check, Found, by_cycle, by_reason, by_scenario, retired
from scrip.demo.client import Client, Json, progress_bars
from scrip.demo.promises import promises
from scrip.demo.steps import Demo, Examples
from scrip.demo.tables import checks_table, cycles_table, print_deviations, scenarios_table, subscription_table
from scrip.demo.tour import Tour, chapter_tables, step_checks
from scrip.stack.stack import Stack
from tasks.audit.audit import audit
from worker.database import engine

# Rich knows the width of a terminal. In a log, the widest table needs this many columns.
LOG_WIDTH = 110
SHOWN_SUBSCRIPTION = "sub_monthly_31"


def run(*, data_folder: Path | None = None) -> int:
    """Run the demo and return the exit code: 0 if everything is as expected."""
    started = time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    with demo_folder(data_folder) as folder:
        examples = Examples(folder / "examples")
        with Stack(folder, announce=console.print) as stack:
            found = play(examples, stack=stack, console=console)
            found.checks.append(audit_demo(stack.environment))
        as_expected = report(console, found=found, expected=examples.expected)
    verdict = "[green]Everything is as expected[/]" if as_expected else "[bold red]Not everything is as expected[/]"
    console.print(f"{verdict}, after {time.monotonic() - started:.0f} s", highlight=False)
    return 0 if as_expected else 1


@contextmanager
def demo_folder(data_folder: Path | None) -> Iterator[Path]:
    """Yield the folder asked for, which is kept, or a temporary folder, which is removed in the end."""
    if data_folder is None:
        with tempfile.TemporaryDirectory(prefix="scrip-demo-") as temporary:
            yield Path(temporary)
        return
    if data_folder.exists() and any(data_folder.iterdir()):
        raise SystemExit(f"scrip demo: {data_folder} is not empty; the demo starts with nothing")
    data_folder.mkdir(parents=True, exist_ok=True)
    yield data_folder.absolute()


def play(examples: Examples, *, stack: Stack, console: Console) -> Found:
    """Send the examples through the stack's broker and return all answers."""
    with (
        progress_bars(console) as progress,
        Client(stack.environment, progress=progress, check=stack.check) as client,
    ):
        demo = Demo(client=client, examples=examples)
        demo.run()
        tour = Tour(client, examples.read("tour"))
        tour.run()
        demo.found.tour = tour.exchanges
        demo.found.checks.append(tour.use_generated_codes())
    return demo.found


def audit_demo(environment: Mapping[str, str]) -> Check:
    """Audit the database of the demo, as `scrip audit` does."""
    os.environ.update(environment)
    try:
        violations = audit()
    finally:
        engine().dispose()
    deviations = [str(violation) for violation in violations]
    return Check(title="violations that the audit found", expected=0, found=len(violations), deviations=deviations)


def report(console: Console, *, found: Found, expected: Json) -> bool:
    """Print the tables, and return whether everything is as expected."""
    reasons = by_reason(found, expected)
    scenarios = by_scenario(found, expected)
    cycles = by_cycle(found, expected)
    retirements = retired(found, expected)
    promised = [*promises(found, expected), *found.checks]
    shown = [each for each in found.runs if each.line["request"]["subscription"] == SHOWN_SUBSCRIPTION]
    console.print(scenarios_table(scenarios))
    console.print(checks_table("Redemption requests, accepted and refused by reason", "answer", reasons))
    console.print(cycles_table(cycles))
    console.print(checks_table("Vouchers by reason of retirement", "reason", retirements))
    console.print(subscription_table(shown))
    steps = step_checks(found.tour)
    for table in chapter_tables(found.tour):
        console.print(table)
    console.print(checks_table("Promises", "what was checked", promised))
    everything = [*reasons, *scenarios, *(check for row in cycles for check in row), *retirements, *steps, *promised]
    print_deviations(console, everything)
    return all(check.holds for check in everything)
