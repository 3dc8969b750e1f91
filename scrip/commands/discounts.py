"""`scrip discounts …`: list, show, move, extend and end discounts."""

from typing import Annotated

import typer

from scrip.commands.confirmation import confirm
from scrip.commands.endings import ends_clearly, only_reads
from scrip.commands.listing import list_items
from scrip.commands.options import LISTED, Actor, After, All, AsJson, Limit, Project, RequestId, Yes
from scrip.commands.output import columns, show_answer, show_object
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import call

commands = typer.Typer(no_args_is_help=True, help="Discounts that were granted, on their subscriptions.")

Discount = Annotated[str, typer.Argument(metavar="DISCOUNT", help="The id of a discount, dis_….")]
Note = Annotated[str | None, typer.Option(help="Why; the discount's history shows it.")]
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
