"""The schema of a database of a test's own, made as operators make it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
# The environment variable with a statement that takes a constraint away from the database of the tests. `make mutants`
# sets it.
SCHEMA_MUTANT = "SCRIP_TESTS_SCHEMA_MUTANT"


def alembic(variables: Mapping[str, str], *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of Alembic, with the variables that name the database."""
    program = Path(sys.executable).with_name("alembic")
    environment = {**os.environ, **variables}
    return subprocess.run(
        [program, *command], cwd=CHECKOUT, env=environment, check=check, capture_output=True, text=True
    )


def migrate(variables: Mapping[str, str]) -> None:
    """Run every migration."""
    alembic(variables, "upgrade", "head")
