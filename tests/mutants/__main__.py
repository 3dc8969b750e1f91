"""`make mutants`: take away one safety after the other, and run the tests that must notice."""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.mutants.checkout import Fate, MutatedCheckout
from tests.mutants.every import MUTANTS
from tests.mutants.mutant import Mutant, SchemaMutant
from tests.mutants.schema import TESTS, read_schema_mutants
from tests.support.schema import SCHEMA_MUTANT

# Tests that pass only with both servers.
CONTROL = ("tests/redemptions/test_redeem.py",)


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def in_order(
    mutants: Sequence[Mutant | SchemaMutant], *, seed: int, minutes: float | None
) -> Iterator[Mutant | SchemaMutant]:
    """Yield the mutants in the order of the seed, each once, until the time is up; at least one."""
    until = None if minutes is None else time.monotonic() + minutes * 60
    for number, each in enumerate(random.Random(seed).sample(mutants, len(mutants))):  # noqa: S311 - must be repeatable
        if number and until is not None and time.monotonic() > until:
            return
        yield each


def fate_of(mutant: Mutant | SchemaMutant, *, checkout: MutatedCheckout) -> tuple[Fate, str]:
    """Run the tests of a mutant, and return its fate and the first test that noticed."""
    if isinstance(mutant, Mutant):
        return checkout.fate_of(mutant)
    return checkout.run(TESTS, environment={SCHEMA_MUTANT: mutant.statement})


def check_unchanged(checkout: MutatedCheckout) -> None:
    """Check that tests pass in the copy as it is. Raises SystemExit if they fail anyway.

    Every mutant would be killed by a machine on which the servers of the tests do not start.
    """
    fate, test = checkout.run(CONTROL)
    if fate is not Fate.SURVIVED:
        raise SystemExit(f"without a mutant, the tests fail already: {test}")


def run(mutants: Sequence[Mutant | SchemaMutant], *, seed: int, minutes: float | None) -> Counter[Fate]:
    """Run mutants, print a line for each, and return how many had each fate."""
    fates: Counter[Fate] = Counter()
    with tempfile.TemporaryDirectory(prefix="scrip-mutants-", ignore_cleanup_errors=True) as folder:
        checkout = MutatedCheckout(Path(folder))
        check_unchanged(checkout)
        for each in in_order(mutants, seed=seed, minutes=minutes):
            started = time.monotonic()
            fate, test = fate_of(each, checkout=checkout)
            fates[fate] += 1
            say(f"{fate}: {each.name} ({time.monotonic() - started:.0f} s) {test}")
    return fates


def every_mutant() -> list[Mutant | SchemaMutant]:
    """Return the listed mutants and those of the schema."""
    with tempfile.TemporaryDirectory(prefix="scrip-mutants-", ignore_cleanup_errors=True) as folder:
        return [*MUTANTS, *read_schema_mutants(Path(folder))]


def main() -> int:
    """Run by the arguments, and return 1 unless all mutants were killed."""
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=None, help="stop after this time; without it, run all")
    parser.add_argument("--only", action="append", help="those with this text in their names; may be repeated")
    parser.add_argument("--list", action="store_true", help="print the names and the promises, and run nothing")
    arguments = parser.parse_args()
    only = arguments.only or [""]
    wanted = [each for each in every_mutant() if any(name in each.name for name in only)]
    if not wanted:
        parser.error("no mutant has such a name")
    if arguments.list:
        for each in wanted:
            say(f"{each.name}: {each.promise if isinstance(each, Mutant) else each.statement}")
        return 0
    seed = random.randrange(10**6) if arguments.seed is None else arguments.seed  # noqa: S311 - no secret
    say(f"seed {seed}, {len(wanted)} mutants")
    fates = run(wanted, seed=seed, minutes=arguments.minutes)
    say(", ".join(f"{fate}: {fates[fate]}" for fate in Fate if fates[fate]))
    return 0 if fates.keys() <= {Fate.KILLED} else 1


if __name__ == "__main__":
    sys.exit(main())
