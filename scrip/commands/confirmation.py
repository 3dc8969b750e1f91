"""Ask before a command destroys or ends something."""

import sys

import typer

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode


def confirm(question: str, *, is_confirmed: bool, as_json: bool = False) -> None:
    """Ask on the terminal, unless `--yes` was given. End the command if the answer is no, or if nobody can be asked."""
    if is_confirmed:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ended(ExitCode.UNUSABLE, "nothing was done: without a terminal, this needs --yes", as_json=as_json)
    try:
        is_wanted = typer.confirm(question, err=True)
    except typer.Abort as end:
        # Ctrl-C, or the end of the input. Typer would exit with 1, which says that something was found.
        if isinstance(end.__context__, KeyboardInterrupt):
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        is_wanted = False
    if not is_wanted:
        raise ended(ExitCode.UNUSABLE, "nothing was done", as_json=as_json)
