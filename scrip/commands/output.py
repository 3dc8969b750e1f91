"""Show answers: tables on a terminal, lines with tabs elsewhere, and with `--json` an object a line."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import typer

from scrip.commands.endings import ended
from scrip.commands.exit_codes import ExitCode
from scrip.commands.use_cases import Pages

# The columns of a table: the header, and what a row shows of an item.
Columns = Mapping[str, Callable[[Any], object]]


def is_terminal() -> bool:
    """Return whether a person reads the output."""
    return sys.stdout.isatty()


def field(path: str) -> Callable[[Any], object]:
    """Return the function that finds a field of an item by its path, with dots between the names."""

    def find(item: Any) -> object:
        for name in path.split("."):
            item = None if item is None else item.get(name)
        return item

    return find


def columns(*paths: str) -> Columns:
    """Return columns with the names of their fields as headers."""
    return {path.rpartition(".")[2]: field(path) for path in paths}


def cell(value: object) -> str:
    """Return a value in one line of printable text. Names and codes come from callers, and may hold anything."""
    match value:
        case None:
            text = ""
        case str():
            text = value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def show_rows(
    items: Iterable[Any], shown: Columns, *, as_json: bool, style: Callable[[Any], str] = lambda _item: ""
) -> None:
    """Show items, one in a row. Without a terminal, the columns are separated by tabs and have no headers.

    `style` returns the style of an item's row in a table.
    """
    if as_json:
        _write(json.dumps(each) for each in items)
    elif is_terminal():
        rows = [([cell(of(each)) for of in shown.values()], style(each)) for each in items]
        _show_table(list(shown), rows)
    else:
        _write("\t".join(cell(of(each)) for of in shown.values()) for each in items)


def show_object(answer: Any, *, as_json: bool) -> None:
    """Show one answer: its fields in rows, or the object in JSON."""
    if as_json or not isinstance(answer, dict):
        _write([json.dumps(answer)])
        return
    fields = [(name, value) for name, value in answer.items() if name != "object"]
    if is_terminal():
        _show_table(["field", "value"], [([name, cell(value)], "") for name, value in fields])
    else:
        _write(f"{name}\t{cell(value)}" for name, value in fields)


def show_answer(answer: Any, *, as_json: bool) -> None:
    """Show the answer of a task that decides, and end the command if the answer is a refusal."""
    show_object(answer, as_json=as_json)
    end_if_refused(answer, as_json=as_json)


def end_if_refused(answer: Any, *, as_json: bool) -> None:
    """End the command if an answer is a refusal."""
    if isinstance(answer, dict) and answer.get("outcome") == "refused":
        reason = cell(answer.get("reason"))
        raise ended(ExitCode.REFUSED, f"refused: {reason}", as_json=as_json, reason=answer.get("reason"))


def show_pages(pages: Pages, shown: Columns, *, as_json: bool) -> None:
    """Show each page as soon as it is read, and say where the list continues if it was cut off."""
    for items in pages:
        if items:
            show_rows(items, shown, as_json=as_json)
    if pages.more_after is not None:
        say_more(pages.more_after, as_json=as_json)


def say_more(after: str, *, as_json: bool) -> None:
    """Say on standard error that a list was cut off after the item with that id."""
    if as_json:
        typer.echo(json.dumps({"object": "more", "after": after}), err=True)
    else:
        typer.echo(f"there are more: --all, or --after {after}", err=True)


def _write(lines: Iterable[str]) -> None:
    # One write for a page: standard output is flushed after each.
    text = "".join(f"{line}\n" for line in lines)
    if text:
        typer.echo(text, nl=False)


def _show_table(headers: Sequence[str], rows: Sequence[tuple[Sequence[str], str]]) -> None:
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*headers, box=SIMPLE_HEAD, header_style="bold")
    for row, style in rows:
        # A Text is shown as it is: a name in brackets would be read as markup.
        table.add_row(*(Text(each, overflow="fold") for each in row), style=style)
    Console(highlight=False).print(table)
