"""`make faults-brokers`: faults on real brokers, poolers and databases, a line for each configuration."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.__main__ import say
from tests.faults.run import Report, run_faults
from tests.other_servers.configurations import CONFIGURATIONS, OTHER_FAULTS, Configuration
from tests.other_servers.packages import install, missing_packages


def in_turn(first: Sequence[str], others: Sequence[str], *, seed: str, minutes: float) -> Iterator[str]:
    """Yield all faults in turn until the time is up, at least one. The seed decides the order of the others."""
    source = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
    until = time.monotonic() + minutes * 60
    while True:
        for name in (*first, *source.sample(others, len(others))):
            yield name
            if time.monotonic() > until:
                return


def install_programs(configuration: Configuration) -> str | None:
    """Install what is missing, or return the reason why the configuration cannot run."""
    missing = missing_packages(configuration.programs)
    wanted = [*missing, *missing_packages(configuration.optional_programs)]
    reason = install(wanted) if wanted else None
    return reason if missing else None


def run(name: str, *, seed: int, minutes: float) -> Report:
    """Inject faults into a configuration. Each has an order of its own."""
    configuration = CONFIGURATIONS[name]
    faults = in_turn(configuration.faults, OTHER_FAULTS, seed=f"{seed} {name}", minutes=minutes)
    with tempfile.TemporaryDirectory(prefix="scrip-faults-", ignore_cleanup_errors=True) as folder:
        return run_faults(Path(folder), seed=seed, faults=faults, open_servers=configuration.open_servers)


def line(name: str, report: Report) -> str:
    """Return the line of a configuration."""
    return (
        f"{name}: {len(report.recoveries)} faults, {report.messages} messages, recovery {report.recovery}, "
        f"findings {len(report.findings)}, audit {len(report.violations)}, seed {report.seed}"
    )


def main() -> int:
    """Run by the arguments, and return 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="make faults-brokers")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=1, help="for each configuration")
    parser.add_argument("--only", action="append", choices=CONFIGURATIONS, help="only this one; may be repeated")
    arguments = parser.parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    has_findings = False
    for name in arguments.only or CONFIGURATIONS:
        if reason := install_programs(CONFIGURATIONS[name]):
            say(f"{name}: skipped, {reason}")
            continue
        report = run(name, seed=seed, minutes=arguments.minutes)
        say(line(name, report))
        for problem in report.first_problems():
            say(problem)
        has_findings |= bool(report.findings or report.violations)
    return 1 if has_findings else 0


if __name__ == "__main__":
    sys.exit(main())
