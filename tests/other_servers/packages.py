"""Packages of Debian, installed without starting the services that are in them."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.other_servers.server_program import path_of

# Packages ask this program whether they may start a service, and 101 forbids it.
POLICY = Path("/usr/sbin/policy-rc.d")
FORBID = "#!/bin/sh\nexit 101\n"
# Another program may be installing something.
LOCK_SECONDS_MAX = 120


def missing_packages(programs: Mapping[str, str]) -> list[str]:
    """Return the packages of the programs that are not installed, without repetitions."""
    return sorted({package for program, package in programs.items() if path_of(program) is None})


def install(packages: Sequence[str]) -> str | None:
    """Install packages, or return the reason why they cannot be installed."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return f"{', '.join(packages)}: not installed, and this is not root with apt-get"
    options = ("-qq", "-o", f"DPkg::Lock::Timeout={LOCK_SECONDS_MAX}")
    with without_services():
        for words in (("update",), ("install", "--yes", "--no-install-recommends", *packages)):
            done = subprocess.run(
                ["apt-get", *options, *words],  # noqa: S607 - wherever the system has it
                env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                last_line = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                return f"{', '.join(packages)}: apt-get {words[0]} failed: {last_line}"
    return None


@contextmanager
def without_services() -> Iterator[None]:
    """Forbid packages to start services, unless the system has a policy of its own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(FORBID)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
