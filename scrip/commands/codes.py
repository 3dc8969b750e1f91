"""`scrip codes …`: list, add, generate, retire, export and import the codes of a voucher."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from scrip.commands.confirmation import confirm
from scrip.commands.endings import ends_clearly, only_reads
from scrip.commands.exit_codes import ExitCode
from scrip.commands.listing import list_items
from scrip.commands.opened_file import opened_file
from scrip.commands.options import LISTED, Actor, After, All, AsJson, Limit, Project, RequestId, Yes
from scrip.commands.output import columns, show_answer, show_object, show_rows
from scrip.commands.progress import progress
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import Pages, call

if TYPE_CHECKING:
    from scrip.commands.code_files import Chunk

commands = typer.Typer(no_args_is_help=True, help="The codes of a voucher, besides the voucher's own.")

Voucher = Annotated[str, typer.Argument(metavar="VOUCHER", help="The id of the voucher, vou_….")]
Status = Annotated[list[str] | None, typer.Option(help="available (the default) or retired; repeat it for both.")]
Redemptions = Annotated[int | None, typer.Option(help="How often each code can be redeemed.")]
RedemptionsEach = Annotated[int | None, typer.Option(help="How often a customer can use each code.")]
End = Annotated[str | None, typer.Option(help="From when the codes can no longer be redeemed (RFC 3339).")]
Customer = Annotated[str | None, typer.Option(help="The only customer who may use the codes.")]
LISTED_COLUMNS = columns("id", "code", "status", "redemptions", "maximumRedemptions", "expiresAt", "customer")


@commands.command("list")
def list_(
    voucher: Voucher,
    *,
    project: Project,
    status: Status = None,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List the codes of a voucher, newest first: id, code, status, redemptions, their maximum, end, customer."""
    fields = {"project": project, "voucher": voucher, "status": status, "after": after}
    list_items("codes.list", fields, LISTED_COLUMNS, limit=limit, everything=everything, as_json=as_json)


@commands.command()
def add(
    voucher: Voucher,
    codes: Annotated[list[str], typer.Argument(metavar="CODE...", help="The new codes, all of them or none.")],
    *,
    project: Project,
    maximum_redemptions: Redemptions = None,
    maximum_redemptions_per_customer: RedemptionsEach = None,
    expires_at: End = None,
    customer: Customer = None,
    actor: Actor = None,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Add codes to a voucher. The limits are those of each code."""
    limits = {
        "maximumRedemptions": maximum_redemptions,
        "maximumRedemptionsPerCustomer": maximum_redemptions_per_customer,
        "expiresAt": expires_at,
        "customer": customer,
    }
    new = [request_body({"code": code, **limits}) for code in codes]
    body = request_body({"project": project, "voucher": voucher, "actor": actor, "requestId": request_id, "codes": new})
    with ends_clearly(as_json=as_json):
        answer = call("vouchers.add_codes", body)
        if "items" in answer:
            show_rows(answer["items"], LISTED_COLUMNS, as_json=as_json)
        else:
            show_answer(answer, as_json=as_json)


@commands.command()
def generate(
    voucher: Voucher,
    *,
    project: Project,
    count: Annotated[int, typer.Option(help="How many codes, up to a million.")],
    prefix: Annotated[str | None, typer.Option(help="What each code begins with.")] = None,
    length: Annotated[int | None, typer.Option(help="The number of random characters.")] = None,
    alphabet: Annotated[str | None, typer.Option(help="The random characters are drawn from these.")] = None,
    maximum_redemptions: Redemptions = None,
    maximum_redemptions_per_customer: RedemptionsEach = None,
    expires_at: End = None,
    customer: Customer = None,
    actor: Actor = None,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Generate random codes for a voucher, with progress. An interrupted command continues with its request id."""
    request_id = request_id or f"scrip-{uuid4()}"
    fields = {
        "project": project,
        "voucher": voucher,
        "actor": actor,
        "requestId": request_id,
        "count": count,
        "prefix": prefix,
        "length": length,
        "alphabet": alphabet,
        "maximumRedemptions": maximum_redemptions,
        "maximumRedemptionsPerCustomer": maximum_redemptions_per_customer,
        "expiresAt": expires_at,
        "customer": customer,
    }
    try:
        with ends_clearly(as_json=as_json), progress("generating", total=count) as report:
            answer = _generate(request_body(fields), report=report)
            show_answer(answer, as_json=as_json)
    except (KeyboardInterrupt, typer.Exit) as end:
        if isinstance(end, KeyboardInterrupt) or end.exit_code == ExitCode.UNUSABLE:
            typer.echo(f"To continue, repeat the command with --request-id {request_id}", err=True)
        raise


def _generate(body: dict[str, Any], *, report: Any) -> Any:
    from tasks.codes.generate import generate_codes  # noqa: PLC0415
    from tasks.codes.messages import GenerateCodes  # noqa: PLC0415
    from tasks.wire.parsing import parse  # noqa: PLC0415

    # The function of the task, which also reports the progress to whoever calls it.
    return generate_codes(parse(GenerateCodes, body), report=lambda generation: report(generation.generated))


@commands.command()
def retire(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The id of a code, voc_….")],
    *,
    project: Project,
    actor: Actor = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Retire a code: it can no longer be redeemed, and granted discounts stay."""
    with ends_clearly(as_json=as_json):
        confirm(f"Retire {code} for good?", is_confirmed=yes, as_json=as_json)
        body = request_body({"project": project, "code": code, "actor": actor})
        show_answer(call("codes.retire", body), as_json=as_json)


@commands.command()
def export(
    voucher: Voucher,
    *,
    project: Project,
    status: Status = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Leave cells as they are, though a spreadsheet runs some.")
    ] = False,
) -> None:
    """Write the codes of a voucher as CSV, newest first, page by page."""
    with only_reads():
        from scrip.commands.code_files import FIELDS, code_row, csv_lines  # noqa: PLC0415

        pages = Pages(
            "codes.list", request_body({"project": project, "voucher": voucher, "status": status}), limit=None
        )
        header, count = csv_lines([FIELDS], is_raw=True), 0
        with progress("exporting") as report:
            for codes in pages:
                typer.echo(header + csv_lines(map(code_row, codes), is_raw=raw), nl=False)
                header, count = "", count + len(codes)
                report(count)
        typer.echo(f"{count} codes", err=True)


@commands.command("import")
def import_(
    voucher: Voucher,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file with a header, or - for standard input.")],
    *,
    project: Project,
    ignore_other_columns: Annotated[
        bool, typer.Option("--ignore-other-columns", help="Leave out columns that are no fields of a new code.")
    ] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Add the codes of a CSV file: code, customer, both limits, expiresAt. To repeat that does no harm."""
    with ends_clearly(as_json=as_json), opened_file(file, as_json=as_json) as (opened, size):
        from scrip.commands.code_files import read_chunks  # noqa: PLC0415

        chunks = read_chunks(opened, voucher=voucher, ignores_others=ignore_other_columns)
        with progress("importing", total=size) as report:
            count = _import(
                chunks,
                request=request_body({"project": project, "voucher": voucher, "actor": actor}),
                report=lambda done: report(done if size is None else opened.buffer.tell()),
            )
        show_object({"object": "import", "voucher": voucher, "codes": count}, as_json=as_json)


def _import(chunks: Iterable["Chunk"], *, request: dict[str, Any], report: Callable[[int], None]) -> int:
    from scrip.commands.code_files import with_lines  # noqa: PLC0415
    from tasks.wire.errors import InvalidRequest  # noqa: PLC0415

    count = 0
    try:
        for chunk in chunks:
            try:
                call("vouchers.add_codes", {**request, "requestId": chunk.request_id, "codes": chunk.codes})
            except InvalidRequest as error:
                raise with_lines(error, chunk) from None
            count += len(chunk.codes)
            report(count)
    except InvalidRequest:
        typer.echo(f"{count} codes before the bad ones are imported", err=True)
        raise
    return count
