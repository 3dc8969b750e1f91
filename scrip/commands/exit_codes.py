"""The exit codes of every command, for scripts."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended."""

    DONE = 0
    FINDINGS = 1
    UNUSABLE = 2
    REFUSED = 3
    NOT_FOUND = 4
    INVALID = 5
    UNDECIDED = 6
    # A shell's exit codes of a program that a signal ended: 128 and the number of SIGINT or SIGPIPE.
    INTERRUPTED = 130
    PIPE_CLOSED = 141


# In the order of the page on the command line.
MEANINGS = {
    ExitCode.DONE: "done, or answered; of `audit` and `status`: no findings",
    ExitCode.FINDINGS: "findings: `audit` found a violation, `status` is red, `demo` or `up` failed",
    ExitCode.UNUSABLE: "not run: bad arguments, a missing setting, a server that cannot be reached, no confirmation",
    ExitCode.REFUSED: "refused by a rule: the answer says the reason",
    ExitCode.NOT_FOUND: "not found: the project has no such object",
    ExitCode.INVALID: "invalid request: each bad field is named",
    ExitCode.UNDECIDED: "undecided: the request made the use case fail, which is a fault of Scrip or of the data",
    ExitCode.INTERRUPTED: "ended by Ctrl-C",
    ExitCode.PIPE_CLOSED: "the reader of the output went away",
}
EPILOG = "Exit codes: 0 done, 1 findings, 2 not run, 3 refused, 4 not found, 5 invalid request, 6 undecided."
