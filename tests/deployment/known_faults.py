"""Look for known faults of the locked packages: `make check` runs `python -m tests.deployment.known_faults`.

The faults are those that PyPI tells, or another index of the format of OSV: `--osv-url`. What could not be looked up is
said, and does not count as looked up. Exit code 1 if there is a known fault.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

LOCK = Path(__file__).parents[2] / "requirements-dev.txt"
# All packages take 7 s.
SECONDS_MAX = 120
# It is no use to name a hundred packages.
NAMED_MAX = 5
# How pip-audit says that it cannot know: a package that an index does not know is no package without faults.
NOT_CHECKED = "known faults: not looked for, since no index of them answers"


def report_of(found: Sequence[dict[str, Any]]) -> tuple[list[str], bool]:
    """Return lines about the packages that pip-audit has looked up, and whether one has a known fault."""
    faults = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'nothing'}"
        for each in found
        for fault in each.get("vulns", ())
    ]
    unknown = [each["name"] for each in found if "skip_reason" in each]
    if len(unknown) == len(found):
        return [NOT_CHECKED], False
    lines = [f"known faults: {len(faults)} in {len(found) - len(unknown)} packages", *faults]
    if unknown:
        shown = ", ".join(unknown[:NAMED_MAX]) + (", …" if len(unknown) > NAMED_MAX else "")
        lines.append(f"not looked up, since the index does not know them: {len(unknown)} packages ({shown})")
    return lines, bool(faults)


def main(lock: Annotated[Path, typer.Argument()] = LOCK, osv_url: str | None = None) -> None:
    """Print the known faults of the packages of a lock file."""
    service = ("--vulnerability-service", "osv", "--osv-url", osv_url) if osv_url else ()
    options = ("--progress-spinner", "off", "--disable-pip", "--require-hashes", "--format", "json")
    command = [sys.executable, "-m", "pip_audit", *options, *service, "--requirement", str(lock)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
        found = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        # pip-audit ends with a traceback if it cannot connect.
        typer.echo(NOT_CHECKED)
        return
    lines, is_faulty = report_of(found)
    typer.echo("\n".join(lines))
    if is_faulty:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
