"""Changes that no test can notice, each with the proof. They are not run."""

from tests.mutants.mutant import Equivalent

EQUIVALENT: list[Equivalent] = []
