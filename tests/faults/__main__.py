"""`make faults`: inject faults by seed for as long as it is told, and print what became of the requests."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.kinds import FAULTS
from tests.faults.run import run_faults


def drawn(names: Sequence[str], *, seed: int, minutes: float) -> Iterator[str]:
    """Yield faults by the seed until the time is up, at least one."""
    source = random.Random(seed)  # noqa: S311 - no secret, and must be repeatable
    until = time.monotonic() + minutes * 60
    yield source.choice(names)
    while time.monotonic() < until:
        yield source.choice(names)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Run by the arguments, and return 1 if there is a finding."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--fault", action="append", choices=sorted(FAULTS), help="only this one; may be repeated")
    arguments = parser.parse_args()
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    say(f"seed {seed}")
    faults = drawn(arguments.fault or list(FAULTS), seed=seed, minutes=arguments.minutes)
    with tempfile.TemporaryDirectory(prefix="scrip-faults-", ignore_cleanup_errors=True) as folder:
        report = run_faults(Path(folder), seed=seed, faults=faults, say=say)
    for line in report.lines():
        say(line)
    return 1 if report.findings or report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
