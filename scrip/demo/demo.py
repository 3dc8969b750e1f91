"""`scrip demo`: the whole of Scrip on real servers, each answer compared with what is expected."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from rich.console import Console

from scrip.demo import checks as demo_checks
from scrip.demo import promises as demo_promises
from scrip.demo import tables as demo_report
from scrip.demo import tour as demo_tour
from scrip.demo.checks import Check, Found
from scrip.demo.client import Client, Json, progress_bars
from scrip.demo.steps import Demo, Examples
from scrip.demo.tour import Tour
from scrip.stack.stack import Stack
from worker.database import engine

# Of a terminal Rich knows the width; a log takes what the widest table needs.
LOG_WIDTH = 110
SHOWN_SUBSCRIPTION = "sub_monthly_31"


def run(*, home: Path | None = None) -> int:
    """This function will run the demo and return its exit code: 0 if everything is as expected."""
    started = time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else LOG_WIDTH)
    with folder(home) as place:
        examples = Examples(place / "examples")
        with Stack(place, announce=console.print) as stack:
            found = play(examples, stack=stack, console=console)
            found.checks.append(audit(stack.environment))
        as_expected = report(console, found=found, expected=examples.expected)
    verdict = "[green]Everything is as expected[/]" if as_expected else "[bold red]Not everything is as expected[/]"
    console.print(f"{verdict}, after {time.monotonic() - started:.0f} s", highlight=False)
    return 0 if as_expected else 1


@contextmanager
def folder(home: Path | None) -> Iterator[Path]:
    """This context will be a temporary folder that is removed in the end, or the one asked for, which is kept."""
    if home is None:
        with tempfile.TemporaryDirectory(prefix="scrip-demo-") as temporary:
            yield Path(temporary)
        return
    if home.exists() and any(home.iterdir()):
        raise SystemExit(f"scrip demo: {home} is not empty; the demo starts with nothing")
    home.mkdir(parents=True, exist_ok=True)
    yield home.absolute()


def play(examples: Examples, *, stack: Stack, console: Console) -> Found:
    """This function will send the examples through the stack's broker and return what came of them."""
    with (
        progress_bars(console) as progress,
        Client(stack.environment, progress=progress, check=stack.check) as client,
    ):
        demo = Demo(client=client, examples=examples)
        demo.run()
        tour = Tour(client, examples.read("tour"))
        tour.run()
        demo.found.tour = tour.answered
        demo.found.checks.append(tour.use_generated_codes())
    return demo.found


def audit(environment: Mapping[str, str]) -> Check:
    """This function will audit the database of the demo, as `scrip audit` does."""
    os.environ.update(environment)
    try:
        # By its name, as everything of tasks/ is reached from here.
        violations = import_module("tasks.audit").audit()
    finally:
        engine().dispose()
    deviations = [str(violation) for violation in violations]
    return Check(what="violations that the audit found", expected=0, found=len(violations), deviations=deviations)


def report(console: Console, *, found: Found, expected: Json) -> bool:
    """This function will print the tables, and return whether everything is as expected."""
    reasons = demo_checks.by_reason(found, expected)
    scenarios = demo_checks.by_scenario(found, expected)
    cycles = demo_checks.by_cycle(found, expected)
    retired = demo_checks.retired(found, expected)
    promises = [*demo_promises.promises(found, expected), *found.checks]
    shown = [each for each in found.runs if each.line["request"]["subscription"] == SHOWN_SUBSCRIPTION]
    console.print(demo_report.scenarios_table(scenarios))
    console.print(demo_report.checks_table("Redemption requests, accepted and refused by reason", "answer", reasons))
    console.print(demo_report.cycles_table(cycles))
    console.print(demo_report.checks_table("Vouchers by reason of retirement", "reason", retired))
    console.print(demo_report.subscription_table(shown))
    steps = demo_tour.checks(found.tour)
    for table in demo_tour.tables(found.tour):
        console.print(table)
    console.print(demo_report.checks_table("Promises", "what was checked", promises))
    everything = [*reasons, *scenarios, *(check for row in cycles for check in row), *retired, *steps, *promises]
    demo_report.print_deviations(console, everything)
    return all(check.holds for check in everything)
