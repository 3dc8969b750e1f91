"""`scrip dead-letters unreadable …`: the texts in queues that were no messages, which workers set aside on the broker.

Everybody with the broker's address can read them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from scrip.commands.confirmation import confirm
from scrip.commands.endings import ended, ends_clearly
from scrip.commands.exit_codes import ExitCode
from scrip.commands.options import AsJson, Yes
from scrip.commands.output import columns, show_object, show_rows

if TYPE_CHECKING:
    from worker.broker.unreadable_texts import UnreadableTexts

commands = typer.Typer(no_args_is_help=True, help="Texts in queues that were no messages, set aside by workers.")

NONE_ON_RABBITMQ = "RabbitMQ has no list of unreadable texts: workers drop them, with a line in their logs"
SHOWN_TOGETHER = 100
LISTED_COLUMNS = columns("sha1", "bytes")
Sha1 = Annotated[str, typer.Argument(metavar="SHA1", help="As `list` shows it.")]
Sha1s = Annotated[list[str], typer.Argument(metavar="SHA1...", help="As `list` shows them.")]


@commands.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """List the texts, latest first: SHA-1 and length in bytes. No contents."""
    with _texts(as_json=as_json) as texts:
        count, page = 0, []
        for each in texts:
            page.append({"object": "unreadable", "sha1": each.sha1, "bytes": each.length})
            count += 1
            if len(page) == SHOWN_TOGETHER:
                show_rows(page, LISTED_COLUMNS, as_json=as_json)
                page = []
        if page:
            show_rows(page, LISTED_COLUMNS, as_json=as_json)
        if not as_json:
            typer.echo(f"{count} unreadable texts", err=True)


@commands.command()
def show(sha1: Sha1, *, as_json: AsJson = False) -> None:
    """Show a text, codes and amounts included."""
    with _texts(as_json=as_json) as texts:
        text = texts.text(sha1)
        if text is None:
            raise _not_found(sha1, as_json=as_json)
        shown = {"object": "unreadable", "sha1": sha1, "bytes": len(text), "text": text.decode(errors="replace")}
        show_object(shown, as_json=as_json)


@commands.command()
def discard(sha1s: Sha1s, *, yes: Yes = False, as_json: AsJson = False) -> None:
    """Remove texts for ever."""
    with _texts(as_json=as_json) as texts:
        confirm(f"Discard {len(sha1s)} unreadable texts for ever?", is_confirmed=yes, as_json=as_json)
        for sha1 in sha1s:
            if not texts.discard(sha1):
                raise _not_found(sha1, as_json=as_json)
            row = {"sha1": sha1, "done": "discarded"}
            show_rows([row], columns("sha1", "done"), as_json=as_json)


@contextmanager
def _texts(*, as_json: bool) -> Iterator["UnreadableTexts"]:
    with ends_clearly("the broker could not be reached", as_json=as_json):
        from tasks.celery import app  # noqa: PLC0415
        from worker.broker.unreadable_texts import UnreadableTexts  # noqa: PLC0415
        from worker.connections import is_amqp  # noqa: PLC0415
        from worker.settings import settings  # noqa: PLC0415

        if is_amqp(settings()):
            raise ended(ExitCode.UNUSABLE, NONE_ON_RABBITMQ, as_json=as_json)
        with app.connection_for_write() as connection:
            yield UnreadableTexts(connection)


def _not_found(sha1: str, *, as_json: bool) -> typer.Exit:
    return ended(ExitCode.NOT_FOUND, f"there is no unreadable text {sha1}", as_json=as_json)
