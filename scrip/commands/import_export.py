"""`scrip import`: bring a whole export of another system over, and report what became of each object."""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scrip.commands.endings import ended, ends_clearly
from scrip.commands.exit_codes import ExitCode
from scrip.commands.opened_file import opened_file
from scrip.commands.options import Actor, AsJson, Project
from scrip.commands.output import columns, show_rows
from scrip.commands.progress import progress
from scrip.commands.request_body import STANDARD_INPUT

if TYPE_CHECKING:
    from tasks.exports.bring_over import Reported
    from tasks.exports.staging import Staged

REPORT = "scrip-import.csv"
REPORT_FIELDS = ("file", "record", "object", "id", "outcome", "reason", "importedAs")
SUMMARY_COLUMNS = columns("objects", "imported", "skipped", "refused", "invalid")
OUTCOMES = ("imported", "skipped", "refused", "invalid")
DRY = "a dry run: nothing was changed. --apply imports"
NO_OBJECT = "unknown"


class Report:
    """The file with a line about each object, and the number of each outcome."""

    def __init__(self, file: Path) -> None:
        self.path = file
        self.counts = dict[str, Counter[str]]()
        self.totals = Counter[str]()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the file anew, with its header."""
        with self.path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as self._opened:
            self._write([REPORT_FIELDS])
            yield

    def add(self, reported: Iterable["Reported"]) -> None:
        """Write lines about objects, and count them."""
        rows = list[tuple[object, ...]]()
        for staged, line in reported:
            rows.append((staged.file, staged.number, line.object, line.id, line.outcome, line.reason, line.imported_as))
            self.counts.setdefault(line.object or NO_OBJECT, Counter())[line.outcome] += 1
            self.totals[line.outcome] += 1
        self._write(rows)

    def show(self, *, as_json: bool) -> None:
        """Show the number of each outcome by kind of object."""
        rows = [{"objects": name, **{each: counts[each] for each in OUTCOMES}} for name, counts in self.counts.items()]
        show_rows(rows, SUMMARY_COLUMNS, as_json=as_json)

    def _write(self, rows: Iterable[tuple[object, ...]]) -> None:
        from scrip.commands.code_files import csv_lines  # noqa: PLC0415

        self._opened.write(csv_lines(rows, is_raw=False))


def import_export(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="stripe, polar, gigs or lago.")],
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="JSON Lines or list answers, or - for standard input.")
    ],
    *,
    project: Project,
    apply: Annotated[bool, typer.Option("--apply", help="Import. Without it, nothing is changed.")] = False,
    report: Annotated[
        Path, typer.Option(help="The file that gets a line about each object, as CSV. It is replaced.")
    ] = Path(REPORT),
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Bring the exports of another system over: vouchers, then their codes, then the discounts of subscriptions.

    To repeat that does no harm. A dry run, unless --apply is given, decides everything and changes nothing.
    """
    with ends_clearly(as_json=as_json), ExitStack() as stack:
        from tasks.exports.bring_over import bring_over, stage  # noqa: PLC0415
        from tasks.exports.staging import Staging  # noqa: PLC0415
        from tasks.exports.system import Scope  # noqa: PLC0415
        from tasks.exports.systems import SYSTEMS  # noqa: PLC0415

        known = {name.value: each for name, each in SYSTEMS.items()}
        if system not in known:
            raise ended(ExitCode.UNUSABLE, f"there is no system {system}: {', '.join(known)}", as_json=as_json)
        if any(_is_same(each, report) for each in files):
            raise ended(ExitCode.UNUSABLE, f"{report} is a file of the export", as_json=as_json)
        written = Report(report)
        stack.enter_context(_writable(written, as_json=as_json))
        staging = stack.enter_context(Staging())
        with progress("reading") as done:
            for reported in stage(_records(files, as_json=as_json), system=known[system], staging=staging):
                written.add([reported])
                done(staging.counts.total())
        scope = Scope(project=project, actor=actor, staging=staging)
        with progress("importing" if apply else "trying", total=staging.counts.total()) as done:
            records = 0
            for batch in bring_over(known[system], scope, is_applied=apply):
                written.add(batch.reported)
                records += batch.records
                done(records)
        written.show(as_json=as_json)
        typer.echo(f"{report} has a line about each object" + ("" if apply else f"\n{DRY}"), err=True)
    _end(written)


def _records(files: Iterable[str], *, as_json: bool) -> Iterator["Staged"]:
    from scrip.commands.export_files import UnreadableExportError, read_records  # noqa: PLC0415
    from tasks.exports.staging import Staged  # noqa: PLC0415

    for file in files:
        with opened_file(file, as_json=as_json) as (opened, _size):
            number = 0
            try:
                for number, body in read_records(opened):
                    yield Staged(file, number, body)
            except UnreadableExportError as error:
                # Nothing was brought over yet: every file is read before the first import.
                raise ended(ExitCode.INVALID, f"{file} {error}", as_json=as_json) from None
            if not number:
                typer.echo(f"{file} has no objects", err=True)


def _is_same(file: str, report: Path) -> bool:
    return file != STANDARD_INPUT and Path(file).exists() and report.exists() and report.samefile(file)


@contextmanager
def _writable(report: Report, *, as_json: bool) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            stack.enter_context(report.opened())
        except OSError as error:
            message = f"{report.path} cannot be written: {error.strerror}"
            raise ended(ExitCode.UNUSABLE, message, as_json=as_json) from None
        yield


def _end(report: Report) -> None:
    if report.totals["invalid"]:
        raise typer.Exit(ExitCode.INVALID)
    if report.totals["refused"]:
        raise typer.Exit(ExitCode.REFUSED)
