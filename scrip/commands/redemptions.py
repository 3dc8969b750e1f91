"""`scrip redemptions …`: list decided redemptions, and show the stored decision on one."""

from typing import Annotated

import typer

from scrip.commands.endings import only_reads
from scrip.commands.listing import list_items
from scrip.commands.options import LISTED, After, All, AsJson, Limit, Project
from scrip.commands.output import columns, show_object
from scrip.commands.use_cases import call

commands = typer.Typer(no_args_is_help=True, help="Decided redemptions, accepted and refused.")

LISTED_COLUMNS = columns("requestId", "outcome", "reason", "customer", "subscription", "voucher", "code", "decidedAt")
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="A reason of refusals; repeatable.")]


@commands.command("list")
def list_(
    *,
    project: Project,
    customer: Annotated[str | None, typer.Option(help="Of this customer.")] = None,
    subscription: Annotated[str | None, typer.Option(help="Of this subscription.")] = None,
    voucher: Annotated[str | None, typer.Option(help="Of the voucher with this id.")] = None,
    code: Annotated[str | None, typer.Option(help="By this code, as the customer typed it.")] = None,
    outcome: Annotated[str | None, typer.Option(help="accepted or refused.")] = None,
    reason: Reasons = None,
    decided_from: Annotated[str | None, typer.Option(help="Decided at this instant or later (RFC 3339).")] = None,
    decided_before: Annotated[str | None, typer.Option(help="Decided before this instant (RFC 3339).")] = None,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List redemptions, newest first: request id, outcome, reason, customer, subscription, voucher, code, instant."""
    fields = {
        "project": project,
        "customer": customer,
        "subscription": subscription,
        "voucher": voucher,
        "code": code,
        "outcome": outcome,
        "reason": reason,
        "decidedFrom": decided_from,
        "decidedBefore": decided_before,
        "after": after,
    }
    list_items("redemptions.list", fields, LISTED_COLUMNS, limit=limit, everything=everything, as_json=as_json)


@commands.command()
def show(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST_ID", help="The id of the decided request.")],
    *,
    project: Project,
    as_json: AsJson = False,
) -> None:
    """Show the stored decision on a request. A refusal that is stored is no refusal of this command."""
    with only_reads(as_json=as_json):
        request = {"project": project, "requestId": request_id}
        show_object(call("redemptions.retrieve", request), as_json=as_json)
