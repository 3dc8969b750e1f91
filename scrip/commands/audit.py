"""`scrip audit`: check the promises against the whole database."""

from typing import Annotated

import typer

from scrip.commands.endings import ended, ends_clearly
from scrip.commands.exit_codes import ExitCode
from scrip.commands.options import AsJson
from scrip.commands.output import columns, show_rows
from scrip.commands.progress import progress

LISTED_COLUMNS = columns("check", "project", "subject", "detail")


def audit(
    *,
    checks: Annotated[
        list[str] | None, typer.Option("--check", help="Only the checks with this text in their names; repeatable.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the checks with their queries, and run none.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every promise against the whole database. Exit 1 with a row for each violation."""
    from tasks.audit import audit as use_case  # noqa: PLC0415
    from worker.database import as_reader  # noqa: PLC0415

    with ends_clearly("the audit could not run", as_json=as_json):
        chosen = [name for name in use_case.CHECKS if not checks or any(text in name for text in checks)]
        if not chosen:
            raise ended(ExitCode.UNUSABLE, "no check has that text in its name: see --explain", as_json=as_json)
        if explain:
            rows = [{"object": "check", "check": name, "query": _plain(use_case.CHECKS[name])} for name in chosen]
            show_rows(rows, columns("check", "query"), as_json=as_json)
            return
        with as_reader(), progress("auditing", total=len(chosen)) as report:
            violations = use_case.audit(checks=chosen, report=report)
        found = [
            {"check": each.check, "project": each.project, "subject": each.subject, "detail": each.detail}
            for each in violations
        ]
        show_rows([{"object": "violation", **each} for each in found], LISTED_COLUMNS, as_json=as_json)
        _show_counts(checks=len(chosen), violations=len(violations), as_json=as_json)
    raise typer.Exit(ExitCode.FINDINGS if violations else ExitCode.DONE)


def _plain(query: str) -> str:
    # The queries are indented for the reader of the code.
    return " ".join(query.split())


def _show_counts(*, checks: int, violations: int, as_json: bool) -> None:
    if as_json:
        show_rows([{"object": "audit", "checks": checks, "violations": violations}], {}, as_json=True)
    else:
        typer.echo(f"{checks} checks, {violations} violations", err=bool(violations))
