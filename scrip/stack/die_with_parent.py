"""The leash: a program that turns into another one, which ends when the process that started it does.

`python leash.py PARENT SIGNAL COMMAND …`: it needs the standard library only, and no import path. A supervisor
that is killed cannot stop what it started; the kernel can (Linux only, elsewhere the command simply runs).
"""

import ctypes
import os
import sys

# From linux/prctl.h. It survives execve, so it is set here and not by the command.
PR_SET_PDEATHSIG = 1
# What a shell answers where a command cannot be run.
EXIT_CANNOT_RUN = 127


def main(parent: str, death_signal: str, *command: str) -> None:
    """This function will become `command`, which gets `death_signal` when `parent` dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
    # The parent may have died before the kernel was asked.
    if os.getppid() != int(parent):
        sys.exit(EXIT_CANNOT_RUN)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        sys.exit(EXIT_CANNOT_RUN)


if __name__ == "__main__":
    main(*sys.argv[1:])
