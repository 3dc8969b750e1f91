"""`scrip customers …`: erase a customer."""

from typing import Annotated

import typer

from scrip.commands.confirmation import confirm
from scrip.commands.endings import ends_clearly
from scrip.commands.options import Actor, AsJson, Project, RequestId, Yes
from scrip.commands.output import show_answer
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import call

commands = typer.Typer(no_args_is_help=True, help="Customers, as the billing systems name them.")


@commands.callback()
def customers() -> None:
    """Keep the name of the only command."""


@commands.command()
def erase(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id, as in the requests.")],
    *,
    project: Project,
    actor: Actor = None,
    request_id: RequestId = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Put a pseudonym in the place of a customer's id everywhere, for good. Amounts and counts stay."""
    with ends_clearly(as_json=as_json):
        confirm("Erase the customer for good?", is_confirmed=yes, as_json=as_json)
        body = request_body({"project": project, "customer": customer, "actor": actor, "requestId": request_id})
        show_answer(call("customers.erase", body), as_json=as_json)
