"""`scrip discounts …`: list, show, import, move, extend and end discounts."""

from collections import Counter
from typing import Annotated

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
from scrip.commands.use_cases import call

commands = typer.Typer(no_args_is_help=True, help="Discounts that were granted, on their subscriptions.")

Discount = Annotated[str, typer.Argument(metavar="DISCOUNT", help="The id of a discount, dis_….")]
Note = Annotated[str | None, typer.Option(help="Why; the discount's history shows it.")]
LEFT_OUT_COLUMNS = columns("line", "outcome", "ref", "reason", "errors")
OUTCOMES = ("imported", "refused", "invalid")
LISTED_COLUMNS = columns("id", "status", "customer", "subscription", "voucher", "cycles", "startsOn", "fullPriceFrom")


@commands.command("list")
def list_(
    *,
    project: Project,
    subscription: Annotated[str | None, typer.Option(help="On this subscription.")] = None,
    customer: Annotated[str | None, typer.Option(help="Of this customer.")] = None,
    voucher: Annotated[str | None, typer.Option(help="By the voucher with this id.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="running, completed or ended; repeatable.")] = None,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List the discounts of an owner, newest first: id, status, customer, subscription, voucher, cycles, window."""
    owner = {"subscription": subscription, "customer": customer, "voucher": voucher}
    fields = {"project": project, **owner, "status": status, "after": after}
    list_items("discounts.list", fields, LISTED_COLUMNS, limit=limit, everything=everything, as_json=as_json)


@commands.command()
def show(discount: Discount, *, project: Project, as_json: AsJson = False) -> None:
    """Show a discount with its terms, its progress and its latest changes."""
    with only_reads(as_json=as_json):
        show_object(call("discounts.retrieve", {"project": project, "discount": discount}), as_json=as_json)


@commands.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file of JSON Lines, or - for standard input.")],
    *,
    project: Project,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """Import discounts that ran elsewhere: a request of discounts.import on each line. To repeat that does no harm.

    Each discount that is not imported is shown with its line.
    """
    with ends_clearly(as_json=as_json), opened_file(file, as_json=as_json) as (opened, size):
        from scrip.commands.discount_files import import_lines, read_lines  # noqa: PLC0415

        counts = Counter[str]()
        lines = read_lines(opened, beside=request_body({"project": project, "actor": actor}))
        with progress("importing", total=size) as report:

            def done(count: int) -> None:
                report(count if size is None else opened.buffer.tell())

            left_out = import_lines(lines, project=project, counts=counts, report=done)
            show_rows(left_out, LEFT_OUT_COLUMNS, as_json=as_json)
        show_object({"object": "import", **{each: counts[each] for each in OUTCOMES}}, as_json=as_json)
    if counts["invalid"]:
        raise typer.Exit(ExitCode.INVALID)
    if counts["refused"]:
        raise typer.Exit(ExitCode.REFUSED)


@commands.command()
def move(
    discount: Discount,
    subscription: Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="The subscription to move it to.")],
    *,
    project: Project,
    actor: Actor = None,
    note: Note = None,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Move a discount to another subscription, with its window, its cycles and its balance."""
    change = {"actor": actor, "note": note, "requestId": request_id}
    body = request_body({"project": project, "discount": discount, "subscription": subscription, **change})
    with ends_clearly(as_json=as_json):
        show_answer(call("discounts.move", body), as_json=as_json)


@commands.command()
def extend(
    discount: Discount,
    *,
    project: Project,
    months: Annotated[int | None, typer.Option(help="By so many months.")] = None,
    cycles: Annotated[int | None, typer.Option(help="By so many billing cycles.")] = None,
    actor: Actor = None,
    note: Note = None,
    request_id: RequestId = None,
    as_json: AsJson = False,
) -> None:
    """Extend a discount by months or cycles, in the unit of its own recurrence."""
    change = {"months": months, "cycles": cycles, "actor": actor, "note": note, "requestId": request_id}
    with ends_clearly(as_json=as_json):
        body = request_body({"project": project, "discount": discount, **change})
        show_answer(call("discounts.extend", body), as_json=as_json)


@commands.command()
def end(
    discount: Discount,
    *,
    project: Project,
    actor: Actor = None,
    request_id: RequestId = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """End a discount for good: it takes nothing off any further invoice."""
    with ends_clearly(as_json=as_json):
        confirm(f"End {discount} for good?", is_confirmed=yes, as_json=as_json)
        body = request_body({"project": project, "discount": discount, "actor": actor, "requestId": request_id})
        show_answer(call("discounts.end", body), as_json=as_json)
