"""The options and arguments that commands share."""

from typing import Annotated

import typer

LISTED = 50

Project = Annotated[str, typer.Option(envvar="SCRIP_PROJECT", help="The tenant.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON object a line, errors too.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Limit = Annotated[int, typer.Option(min=0, help="The most items to list.")]
All = Annotated[bool, typer.Option("--all", help="List all items, however many.")]
After = Annotated[str | None, typer.Option(help="Begin after the item with this id.")]
Actor = Annotated[str | None, typer.Option(envvar="SCRIP_ACTOR", help="Who does this; the history names them.")]
RequestId = Annotated[str | None, typer.Option(help="Repeating a request with the same id has no second effect.")]
Campaign = Annotated[str | None, typer.Option(help="The campaign that a voucher is part of.")]
NameBeginning = Annotated[str | None, typer.Option("--name", help="Vouchers whose name begins so.")]
MetadataPair = Annotated[
    str | None, typer.Option("--metadata", metavar="JSON", help="A key of the metadata with its value, as an object.")
]
CreatedFrom = Annotated[str | None, typer.Option(help="Created at this instant or later (RFC 3339).")]
CreatedBefore = Annotated[str | None, typer.Option(help="Created before this instant (RFC 3339).")]
File = Annotated[str | None, typer.Option(help="A file with the request as JSON, or - for standard input.")]
Set = Annotated[str | None, typer.Option("--set", metavar="JSON", help="More fields of the request, as a JSON object.")]
