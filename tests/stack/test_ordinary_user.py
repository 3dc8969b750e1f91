"""The stack as an ordinary user. If root runs the suite, the account `nobody` runs the stack."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.stack.running import Up, idle, write_procfile

NOBODY = "nobody"


@pytest.fixture
def user() -> pwd.struct_passwd:
    """Return the user who runs the suite, or the account `nobody` for root."""
    return pwd.getpwuid(os.geteuid()) if os.geteuid() else pwd.getpwnam(NOBODY)


@pytest.fixture
def folder(user: pwd.struct_passwd) -> Iterator[Path]:
    """Yield a folder that belongs to the user. Only the suite's user can enter pytest's own folders."""
    path = Path(tempfile.mkdtemp(prefix="scrip-user-"))
    os.chown(path, user.pw_uid, user.pw_gid)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def as_user(user: pwd.struct_passwd) -> Sequence[str]:
    """Return the prefix that runs a command as the user, or skip the test.

    If only root can enter the folders of Python or the checkout, the user gets the capability to read them, no more.
    """
    if user.pw_uid == os.geteuid():
        return ()
    identity = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    may_look = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    for prefix in (identity, (*identity, *may_look)):
        if can_run(prefix):
            return prefix
    pytest.skip(f"{user.pw_name} can reach neither {sys.executable} nor the checkout")


def can_run(prefix: Sequence[str]) -> bool:
    """Return whether a command with that prefix can import our modules and can start Python again."""
    # Python is started twice, because setpriv still has root's capabilities at the first start.
    probe = "import subprocess, sys, scrip.stack.stack; subprocess.run([sys.executable, '-c', ''], check=True)"
    try:
        return subprocess.run([*prefix, sys.executable, "-c", probe], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
def test_an_ordinary_user_runs_the_stack(as_user: Sequence[str], user: pwd.struct_passwd, folder: Path) -> None:
    """Every process runs as that user, and none is left."""
    procfile = write_procfile(folder, f"idle: {idle(folder)}")
    with Up(folder / "home", procfile, variables={"HOME": str(folder)}, prefix=as_user) as up:
        up.wait_ready()
        assert {each.uids().effective for each in up.processes()} == {user.pw_uid}
        assert up.end(signal.SIGTERM) == 0
        assert not up.left()
        assert not (up.data_folder / "env").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has nobody else's folder to try")
def test_an_ordinary_user_is_told_that_a_home_is_somebody_elses(as_user: Sequence[str], tmp_path: Path) -> None:
    """The message is a single line."""
    with Up(tmp_path / "home", prefix=as_user) as up:
        assert up.process.wait() == 1
        assert up.output == f"scrip: the home {tmp_path / 'home'} cannot be used: Permission denied\n"
