"""`scrip dead-letters …`: list, show, resend and discard dead letters, of all projects.

Everybody with DATABASE_URL can read the bodies of dead letters.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scrip.commands.confirmation import confirm
from scrip.commands.durations import duration
from scrip.commands.endings import ended, ends_clearly, only_reads
from scrip.commands.exit_codes import ExitCode
from scrip.commands.options import LISTED, After, All, AsJson, Limit, Yes
from scrip.commands.output import columns, say_more, show_object, show_rows
from scrip.commands.progress import progress
from scrip.commands.unreadable import commands as unreadable

if TYPE_CHECKING:
    from models.intake.dead_letter_selection import DeadLetterFilter

commands = typer.Typer(no_args_is_help=True, help="Undecidable messages, kept until you retry or discard them.")
commands.add_typer(unreadable, name="unreadable")

UNREACHABLE = "dead letters could not be reached"
PAGE_SIZE = 200
TaskIds = Annotated[list[str], typer.Argument(metavar="TASK_ID...", help="As `list` shows them.")]
OptionalTaskIds = Annotated[list[str] | None, typer.Argument(metavar="[TASK_ID...]", help="As `list` shows them.")]
# An environment variable must not narrow a list that shows what is wrong anywhere.
OfProject = Annotated[str | None, typer.Option("--project", help="Of this project; empty for messages without one.")]
OfTask = Annotated[str | None, typer.Option("--task", help="Of the task with this name.")]
Reason = Annotated[str | None, typer.Option(help="With this text in the reason.")]
OlderThan = Annotated[str | None, typer.Option(help="Given up longer ago than this: 90s, 15m, 2h or 7d.")]

LISTED_COLUMNS = columns("taskId", "project", "task", "diedAt", "attempts", "reason")


def _use_cases() -> Any:
    from tasks.wire import dead_letters  # noqa: PLC0415

    return dead_letters


@commands.command("list")
def list_(
    *,
    task: OfTask = None,
    project: OfProject = None,
    reason: Reason = None,
    older_than: OlderThan = None,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List the dead letters, newest first: task id, project, task, time, attempts, reason. No bodies."""
    with only_reads(UNREACHABLE, as_json=as_json):
        wanted = _filter(task=task, project=project, reason=reason, older_than=older_than, as_json=as_json)
        count = 0
        for page in _pages(wanted, after=after, limit=None if everything else limit, as_json=as_json):
            show_rows(page, LISTED_COLUMNS, as_json=as_json)
            count += len(page)
        if not as_json:
            typer.echo(_counted(count), err=True)


@commands.command()
def show(task_id: Annotated[str, typer.Argument(help="As `list` shows it.")], *, as_json: AsJson = False) -> None:
    """Show a message with headers and body, codes and amounts included."""
    use_cases = _use_cases()
    with only_reads(UNREACHABLE, as_json=as_json):
        try:
            row = use_cases.show(task_id=task_id)
        except use_cases.DeadLetterNotFound:
            raise _not_found(task_id, as_json=as_json) from None
        shown = row._asdict() | {"died_at": row.died_at.isoformat(), "body": bytes(row.body).decode(errors="replace")}
        shown["id"] = str(row.id)
        shown["digest"] = bytes(row.digest).hex()
        if as_json:
            show_object(shown, as_json=True)
        else:
            typer.echo(json.dumps(shown, indent=2))


@commands.command()
def retry(
    task_ids: OptionalTaskIds = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that the filters select.")] = False,
    task: OfTask = None,
    project: OfProject = None,
    reason: Reason = None,
    older_than: OlderThan = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send messages again under their own ids, as if they had never been tried. Only with `--all`, it asks first."""
    filters = {"task": task, "project": project, "reason": reason, "older_than": older_than}
    if bool(task_ids) == everything or (task_ids and any(each is not None for each in filters.values())):
        message = "give either task ids, or --all with or without filters"
        raise ended(ExitCode.UNUSABLE, message, as_json=as_json)
    with ends_clearly(UNREACHABLE, as_json=as_json):
        if task_ids:
            _each(task_ids, done="sent again", use_case=_use_cases().retry, as_json=as_json)
            return
        wanted = _filter(**filters, as_json=as_json)
        confirm("Send all dead letters that are selected again?", is_confirmed=yes, as_json=as_json)
        count = 0
        with progress("sending again") as report:
            for batch in _use_cases().retry_all(wanted=wanted):
                _show_done(batch, done="sent again", as_json=as_json)
                count += len(batch)
                report(count)
        typer.echo(f"{_counted(count)} sent again", err=True)


@commands.command()
def discard(task_ids: TaskIds, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove messages for ever."""
    with ends_clearly(UNREACHABLE, as_json=as_json):
        confirm(f"Discard {_counted(len(task_ids))} for ever?", is_confirmed=yes, as_json=as_json)
        _each(task_ids, done="discarded", use_case=_use_cases().discard, as_json=as_json)


def _counted(count: int) -> str:
    return "1 dead letter" if count == 1 else f"{count} dead letters"


def _filter(
    *, task: str | None, project: str | None, reason: str | None, older_than: str | None, as_json: bool
) -> "DeadLetterFilter":
    from models.intake.dead_letter_selection import DeadLetterFilter  # noqa: PLC0415

    age = None if older_than is None else duration(older_than, as_json=as_json)
    return DeadLetterFilter(task=task, project=project, reason=reason, older_than=age)


def _pages(
    wanted: "DeadLetterFilter", *, after: str | None, limit: int | None, as_json: bool
) -> Iterator[list[dict[str, Any]]]:
    from tasks.intake.list_dead_letters import dead_letter_answer  # noqa: PLC0415
    from tasks.intake.messages import ListDeadLetters  # noqa: PLC0415
    from tasks.wire.parsing import parse  # noqa: PLC0415

    # The task's own class reads the id.
    position = None if after is None else parse(ListDeadLetters, {"project": "any", "after": after}).after
    left = limit
    while left is None or left > 0:
        size = PAGE_SIZE if left is None else min(left, PAGE_SIZE)
        rows = _use_cases().list_newest(wanted=wanted, after=position, limit=size + 1)
        page = [dead_letter_answer(row) for row in rows[:size]]
        if page:
            yield page
        if len(rows) <= size:
            return
        position, left = rows[size - 1].id, None if left is None else left - size
    if limit:
        say_more(page[-1]["id"], as_json=as_json)


def _each(task_ids: Sequence[str], *, done: str, use_case: Callable[..., None], as_json: bool) -> None:
    for task_id in task_ids:
        try:
            use_case(task_id=task_id)
        except _use_cases().DeadLetterNotFound:
            raise _not_found(task_id, as_json=as_json) from None
        _show_done([task_id], done=done, as_json=as_json)


def _show_done(task_ids: Sequence[str], *, done: str, as_json: bool) -> None:
    rows = [{"taskId": task_id, "done": done} for task_id in task_ids]
    show_rows(rows, columns("taskId", "done"), as_json=as_json)


def _not_found(task_id: str, *, as_json: bool) -> typer.Exit:
    return ended(ExitCode.NOT_FOUND, f"there is no dead letter {task_id}", as_json=as_json)
