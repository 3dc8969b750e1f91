"""List the items of a task's answer: the body that all commands of the name `list` share."""

from collections.abc import Mapping
from typing import Any

from scrip.commands.endings import only_reads
from scrip.commands.output import Columns, show_pages
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import Pages


def list_items(
    task: str, fields: Mapping[str, Any], shown: Columns, *, limit: int, everything: bool, as_json: bool
) -> None:
    """Show the items that match the fields, up to `limit` or with `everything` all of them, page by page."""
    with only_reads(as_json=as_json):
        pages = Pages(task, request_body(dict(fields)), limit=None if everything else limit)
        show_pages(pages, shown, as_json=as_json)
