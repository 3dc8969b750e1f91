"""Mutants that take away one condition on the project, and nothing else."""

import re
from collections.abc import Iterator, Mapping

from tests.mutants.mutant import TWINS, Mutant

READS = ("tests/projects/test_stories.py", "tests/projects/test_missing_rows.py", "tests/projects/test_scenarios.py")
WRITES = (*TWINS, "tests/projects/test_missing_rows.py")
ERASURES = ("tests/projects/test_erasures.py", *TWINS)
_MARKED = re.compile(r"«(.*?)»", re.DOTALL)


def without_conditions(
    file: str, promise: str, conditions: Mapping[str, str], *, tests: tuple[str, ...] = WRITES
) -> Iterator[Mutant]:
    """Yield a mutant for each name. The text is one of the file, with the condition to take away in «»."""
    for name, marked in conditions.items():
        yield Mutant(name, promise, file, _MARKED.sub(r"\1", marked), _MARKED.sub("", marked), tests)
