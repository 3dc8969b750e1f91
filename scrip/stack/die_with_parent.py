"""Run a command that ends when the process that started it dies.

Usage: `python die_with_parent.py PARENT SIGNAL COMMAND …`, with PARENT the process id of the starter. The script uses
the standard library only and needs no import path. A killed supervisor cannot stop the processes that it started; the
Linux kernel can. On other systems the command simply runs.
"""

import ctypes
import os
import sys

# From linux/prctl.h. The setting survives execve, so this script can make the setting for the command.
PR_SET_PDEATHSIG = 1
# A shell's exit code for a command that cannot be run.
EXIT_CANNOT_RUN = 127


def main(parent: str, death_signal: str, *command: str) -> None:
    """Replace this process with `command`, which gets `death_signal` when the process `parent` dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    # The parent may have died before prctl was called.
    if os.getppid() != int(parent):
        sys.exit(EXIT_CANNOT_RUN)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(EXIT_CANNOT_RUN)


if __name__ == "__main__":
    main(*sys.argv[1:])
