"""`scrip status`: whether everything that has to run runs, and what waits."""

from typing import Annotated

import typer

from scrip.commands.durations import duration
from scrip.commands.endings import only_reads
from scrip.commands.exit_codes import ExitCode
from scrip.commands.options import AsJson
from scrip.commands.output import columns, show_rows

STYLES = {"ok": "green", "red": "bold red", "unknown": "yellow"}


def status(
    *,
    oldest_max: Annotated[
        str, typer.Option("--oldest-max", help="A queue is red if its oldest message has waited longer: 90s, 15m, 2h.")
    ] = "5m",
    as_json: AsJson = False,
) -> None:
    """Look at the database, the broker, the queues, the workers and beat. Exit 1 if any of them is red."""
    with only_reads(as_json=as_json):
        age_max = duration(oldest_max, as_json=as_json)
        from scrip.commands.status_parts import State, all_parts  # noqa: PLC0415

        parts = list(all_parts(oldest_max=age_max))
        rows = [
            {"object": "status", "part": each.name, "state": each.state, "detail": each.detail, **each.figures}
            for each in parts
        ]
        show_rows(rows, columns("part", "state", "detail"), as_json=as_json, style=lambda row: STYLES[row["state"]])
    is_red = any(each.state is State.RED for each in parts)
    raise typer.Exit(ExitCode.FINDINGS if is_red else ExitCode.DONE)
