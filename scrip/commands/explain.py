"""`scrip explain`: why a customer, a subscription or an invoice got its discounts, or none, in sentences."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from scrip.commands.endings import only_reads
from scrip.commands.options import AsJson, Project
from scrip.commands.output import cell, columns, show_object, show_rows
from scrip.commands.request_body import request_body
from scrip.commands.use_cases import call

SAID_COLUMNS = columns("about", "id", "at", "text")
# The lists of an explanation that may go on, each with the option that continues it.
CONTINUED = {
    "moreRequestsBefore": "--requests-before",
    "moreHoldsBefore": "--holds-before",
    "moreDiscountsBefore": "--discounts-before",
}


def explain(
    *,
    project: Project,
    customer: Annotated[str | None, typer.Option(help="All that this customer asked for and got.")] = None,
    subscription: Annotated[str | None, typer.Option(help="All that is or was on this subscription.")] = None,
    invoice: Annotated[str | None, typer.Option(help="What discounts took off this invoice, and why not more.")] = None,
    limit: Annotated[int | None, typer.Option(help="The most items of each list.")] = None,
    requests_before: Annotated[str | None, typer.Option(help="Requests before the one with this id, red_….")] = None,
    holds_before: Annotated[str | None, typer.Option(help="Holds before the one with this id, hol_….")] = None,
    discounts_before: Annotated[str | None, typer.Option(help="Discounts before the one with this id, dis_….")] = None,
    as_json: AsJson = False,
) -> None:
    """Explain the discounts of a customer, of a subscription or of an invoice, one of which is given.

    Each line is about a request, a hold, a discount or an amount, and says in a sentence what became of it.
    """
    fields = {
        "project": project,
        "customer": customer,
        "subscription": subscription,
        "invoice": invoice,
        "limit": limit,
        "requestsBefore": requests_before,
        "holdsBefore": holds_before,
        "discountsBefore": discounts_before,
    }
    with only_reads(as_json=as_json):
        answer = call("support.explain", request_body(fields))
        if as_json:
            show_object(answer, as_json=True)
            return
        show_rows(_said(answer), SAID_COLUMNS, as_json=False)
        for line in _left_out(answer):
            typer.echo(line, err=True)


def _said(answer: Any) -> Iterator[dict[str, Any]]:
    yield _line("finding", answer["finding"], answer["text"])
    for each in answer["requests"]:
        yield _line("request", each["requestId"], each["text"], at=each["decidedAt"])
    for each in answer["holds"]:
        yield _line("hold", each["requestId"], each["text"], at=each["decidedAt"])
    for each in answer["discounts"]:
        yield from _of_discount("discount", each)
    for each in answer["elsewhere"]:
        yield from _of_discount("discount elsewhere", each)


def _of_discount(about: str, discount: Any) -> Iterator[dict[str, Any]]:
    yield _line(about, discount["id"], discount["text"], at=discount["createdAt"])
    for each in discount["entries"]:
        yield _line(f"{about}: amount", each["invoice"], each["text"], at=each["at"])
    on_invoice = discount["onInvoice"]
    if on_invoice is not None:
        yield _line(f"{about}: on this invoice", on_invoice["outcome"], on_invoice["text"])
        for each in on_invoice["reversals"]:
            yield _line(f"{about}: reversal", each["id"], each["text"], at=each["at"])


def _left_out(answer: Any) -> Iterator[str]:
    for name, option in CONTINUED.items():
        if answer[name] is not None:
            yield f"there are older ones: {option} {answer[name]}"
    for each in (*answer["discounts"], *answer["elsewhere"]):
        if each["moreEntries"]:
            yield f"older amounts of {each['id']} are left out"
    if answer["moreElsewhere"]:
        yield f"older discounts elsewhere are left out: --customer {cell(answer['billed']['customer'])}"


def _line(about: str, identity: str, text: str, *, at: str | None = None) -> dict[str, Any]:
    return {"about": about, "id": identity, "at": at, "text": text}
