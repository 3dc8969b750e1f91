"""Running Postgres as root: Postgres refuses that, so an account that owns nothing runs Postgres."""

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
    """Return the prefix that runs a command as another user than root. For an ordinary user the prefix is empty.

    The checkout and the data folder may stand below a folder that only root can enter. So the command may bypass file
    permissions, as root could, and no folder has to be opened to everybody.

    Raises StackProcessFailed if setpriv or the account is missing.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if not setpriv:
        raise StackProcessFailed(SETPRIV_MISSING)
    account = _account()
    identity = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    capabilities = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override")
    # Postgres looks for initdb and postgres with access(2), which ignores capabilities without this bit.
    return (setpriv, *identity, *capabilities, "--securebits=+no_setuid_fixup")


def hand_over(folder: Path) -> None:
    """Give the folder to the account that runs Postgres, if this process runs as root."""
    if os.geteuid() == 0:
        account = _account()
        os.chown(folder, account.pw_uid, account.pw_gid)


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise StackProcessFailed(ACCOUNT_MISSING) from None
