"""Running Postgres where the user is root: it refuses that, so it runs as an account that owns nothing."""

import os
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from scrip.stack.process import StackProcessFailed

ACCOUNT = "nobody"
SETPRIV_MISSING = (
    "postgres could not start: Postgres refuses to run as root, and setpriv (of the package util-linux), which"
    " would run it as another user, is not installed; install it, or run this as an ordinary user"
)
ACCOUNT_MISSING = f"postgres could not start: root would run it as {ACCOUNT}, and there is no such account"


def as_unprivileged() -> Sequence[str]:
    """This function will return what to write before a command so that it does not run as root, or raise StackProcessFailed.

    The checkout and the home may stand below a folder that only root can enter. So the command may pass by the
    permissions of files, as it could if it did run as root, and no folder is opened to everybody instead.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise StackProcessFailed(SETPRIV_MISSING)
    account = _account()
    identity = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    powers = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    # Postgres looks with access(2) whether its own programs are there, which leaves powers out of account otherwise.
    return (setpriv, *identity, *powers, "--securebits=+no_setuid_fixup")


def hand_over(folder: Path) -> None:
    """This function will make the folder the account's own, where commands run as that account."""
    if os.geteuid() == 0:
        account = _account()
        os.chown(folder, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise StackProcessFailed(ACCOUNT_MISSING) from None
