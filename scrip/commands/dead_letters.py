"""`scrip dead-letters …`: list, show, resend and discard dead letters.

Everybody with DATABASE_URL can read the bodies of dead letters.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer

from scrip.commands.endings import ends_clearly

commands = typer.Typer(no_args_is_help=True, help="Undecidable messages, kept until you retry or discard them.")

TaskIds = Annotated[list[str], typer.Argument(metavar="TASK_ID...", help="As `list` shows them.")]


def _use_cases() -> Any:
    from tasks.wire import dead_letters  # noqa: PLC0415

    return dead_letters


def _ended_clearly() -> AbstractContextManager[None]:
    return ends_clearly("dead letters could not be reached")


@commands.command("list")
def list_newest() -> None:
    """List the dead letters, newest first: id, project, task, time, attempts, reason. No bodies."""
    with _ended_clearly():
        rows = _use_cases().list_newest()
    for row in rows:
        shown = (row.task_id, row.project, row.task, row.died_at.isoformat(), str(row.attempts), row.reason)
        typer.echo("\t".join(shown))
    typer.echo(f"{len(rows)} dead letters", err=True)


@commands.command()
def show(task_id: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Show a message with headers and body, codes and amounts included."""
    use_cases = _use_cases()
    with _ended_clearly():
        try:
            row = use_cases.show(task_id=task_id)
        except use_cases.DeadLetterNotFound:
            raise _not_found(task_id) from None
    shown = row._asdict() | {"died_at": row.died_at.isoformat(), "body": bytes(row.body).decode(errors="replace")}
    shown["id"] = str(row.id)
    shown["digest"] = bytes(row.digest).hex()
    typer.echo(json.dumps(shown, indent=2))


@commands.command()
def retry(task_ids: TaskIds) -> None:
    """Send messages again under their own ids, as if they had never been tried."""
    _each(task_ids, done="sent again", use_case=_use_cases().retry)


@commands.command()
def discard(task_ids: TaskIds) -> None:
    """Remove messages for ever."""
    _each(task_ids, done="discarded", use_case=_use_cases().discard)


def _each(task_ids: list[str], *, done: str, use_case: Callable[..., None]) -> None:
    for task_id in task_ids:
        with _ended_clearly():
            try:
                use_case(task_id=task_id)
            except _use_cases().DeadLetterNotFound:
                raise _not_found(task_id) from None
        typer.echo(f"{task_id}\t{done}")


def _not_found(task_id: str) -> typer.Exit:
    typer.echo(f"scrip: there is no dead letter {task_id}", err=True)
    return typer.Exit(1)
