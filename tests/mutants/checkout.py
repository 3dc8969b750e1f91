"""A copy of the checkout, in which one mutant at a time is applied and its tests are run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from tests.mutants.mutant import CHECKOUT, Mutant

# Of one test. In the tests of a mutant, a wait is as often for ever as it is long.
TEST_SECONDS_MAX = 120
# Of all tests of one mutant. This is no kill: no test has said anything.
RUN_SECONDS_MAX = 1_800


class Fate(StrEnum):
    """The fate of a mutant. Only a killed one is a success."""

    KILLED = "killed"
    SURVIVED = "survived"
    DOES_NOT_APPLY = "does not apply"
    # The tests could not be collected, or there are none.
    DOES_NOT_RUN = "does not run"
    TOO_SLOW = "too slow"


# The exit codes of pytest. A test that takes too long ends the process with 1 too.
_FATES = {0: Fate.SURVIVED, 1: Fate.KILLED}


class MutatedCheckout:
    """A copy of the checkout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.code = folder / "code"
        self.temporary = folder / "temporary"
        self.temporary.mkdir()
        for name in files_of_checkout():
            (self.code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, self.code / name)

    def fate_of(self, mutant: Mutant) -> tuple[Fate, str]:
        """Return the fate of a mutant, and the first test that noticed."""
        mutated = mutant.applied_to((self.code / mutant.file).read_text())
        if mutated is None:
            return Fate.DOES_NOT_APPLY, ""
        with self._changed(mutant.file, mutated):
            return self.run(mutant.tests)

    def run(self, tests: Sequence[str], *, environment: Mapping[str, str] | None = None) -> tuple[Fate, str]:
        """Run tests until the first one fails, and return what that means for a mutant, and the test."""
        command = [sys.executable, "-m", "pytest", "-x", "-n0", "-p", "no:cacheprovider", "-m", "not scale"]
        command += [f"--override-ini=faulthandler_timeout={TEST_SECONDS_MAX}", *tests]
        variables = {"PYTHONPATH": str(self.code), "TMPDIR": str(self.temporary)}
        process = subprocess.Popen(
            command,
            cwd=self.code,
            env={**os.environ, **variables, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return Fate.TOO_SLOW, ""
        finally:
            _end(process)
            shutil.rmtree(self.temporary, ignore_errors=True)
            self.temporary.mkdir(exist_ok=True)
        return _FATES.get(process.returncode, Fate.DOES_NOT_RUN), _reason(output)

    @contextmanager
    def _changed(self, file: str, mutated: str) -> Iterator[None]:
        path = self.code / file
        source = path.read_text()
        path.write_text(mutated)
        try:
            yield
        finally:
            path.write_text(source)


def files_of_checkout() -> list[str]:
    """Return the files of the checkout, committed or not, without those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - git of the machine
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [each for each in listed.stdout.split("\0") if each and (CHECKOUT / each).is_file()]


def _end(process: subprocess.Popen[str]) -> None:
    # The process, which is dead or hangs, and what it has started.
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()


def _reason(output: str) -> str:
    lines = output.splitlines()
    failed = [each for each in lines if each.startswith(("FAILED tests/", "ERROR tests/"))]
    if failed:
        return failed[0]
    return "a test took too long" if "Timeout (" in output else lines[-1] if lines else ""
