"""A mutant: the code without one of its safeties, which the tests must notice."""

from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# Two projects with the same ids in everything, for mutants of the project conditions of queries.
TWINS = ("tests/projects/test_scenarios.py", "tests/projects/test_stories.py")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text of a file that is replaced, the promise that this breaks, and the tests that protect the promise.

    The text occurs in the file once. The tests are files or folders, the quickest to notice first.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, source: str) -> str | None:
        """Return the source with the change, or None if the text is not there exactly once."""
        return source.replace(self.old, self.new) if source.count(self.old) == 1 else None


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A change that no test can notice, with the proof."""

    name: str
    file: str
    old: str
    new: str
    proof: str


@dataclass(frozen=True, slots=True)
class SchemaMutant:
    """A database without one of its constraints, indexes or triggers. The statement takes it away."""

    name: str
    statement: str
