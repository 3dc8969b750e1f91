"""`scrip vouchers …`: list, show, create, update and retire vouchers."""

from typing import Annotated

import typer

from scrip.commands.amounts import read_amount
from scrip.commands.confirmation import confirm
from scrip.commands.endings import ends_clearly, only_reads
from scrip.commands.listing import list_items
from scrip.commands.options import (
    LISTED,
    Actor,
    After,
    All,
    AsJson,
    Campaign,
    CreatedBefore,
    CreatedFrom,
    File,
    Limit,
    MetadataPair,
    NameBeginning,
    Project,
    RequestId,
    Set,
    Yes,
)
from scrip.commands.output import columns, show_answer, show_object
from scrip.commands.phases import discount_text, read_phases
from scrip.commands.request_body import read_pair, request_body
from scrip.commands.use_cases import call

commands = typer.Typer(no_args_is_help=True, help="Vouchers: what a discount is worth, and who may have it.")

Voucher = Annotated[str, typer.Argument(metavar="VOUCHER", help="The id of a voucher, vou_….")]
Status = Annotated[list[str] | None, typer.Option(help="available (the default) or retired; repeat it for both.")]
Name = Annotated[str | None, typer.Option(help="The name that customers see.")]
Code = Annotated[str | None, typer.Option(help="The voucher's own code.")]
Percentage = Annotated[float | None, typer.Option(help="The discount in percent, with at most four decimals.")]
Amount = Annotated[int | None, typer.Option(help="The discount in minor units of the currency.")]
Currency = Annotated[str | None, typer.Option(help="The currency of the amount.")]
Recurrence = Annotated[str | None, typer.Option(help="once, repeating or forever.")]
Months = Annotated[int | None, typer.Option(help="How long a repeating discount runs, in months.")]
Cycles = Annotated[int | None, typer.Option(help="How long a repeating discount runs, in billing cycles.")]
Phases = Annotated[
    list[str] | None,
    typer.Option("--phase", help="A phase of a voucher in phases, as '50% for 3 months'; repeatable, in order."),
]
Start = Annotated[str | None, typer.Option(help="From when the voucher can be redeemed (RFC 3339).")]
End = Annotated[str | None, typer.Option(help="From when the voucher can no longer be redeemed (RFC 3339).")]
Redemptions = Annotated[int | None, typer.Option(help="How often the voucher can be redeemed.")]
RedemptionsEach = Annotated[int | None, typer.Option(help="How often a customer can redeem the voucher.")]
Priority = Annotated[int | None, typer.Option(help="From 0 to 1,000: the lowest is applied first (default: 500).")]
Exclusive = Annotated[
    bool | None, typer.Option("--exclusive", help="Its discounts are never together with others on a subscription.")
]
MaximumInAll = Annotated[
    str | None,
    typer.Option(
        "--maximum-discount-in-all", help="The most that a discount gives in all, in minor units, as '10000 USD'."
    ),
]
Products = Annotated[list[str] | None, typer.Option("--product", help="A product that is discounted; repeatable.")]
ExcludedProducts = Annotated[
    list[str] | None, typer.Option("--excluded-product", help="A product that is never discounted; repeatable.")
]

FirstPurchaseOnly = Annotated[
    bool | None,
    typer.Option(
        "--first-purchase-only/--any-purchase", help="Whether a request must say that it is a first purchase."
    ),
]


LISTED_COLUMNS = {
    **columns("id", "code", "name"),
    "discount": discount_text,
    **columns("recurrence.type", "status", "redemptions", "restrictions.expiresAt"),
}

CHANGE_COLUMNS = columns("at", "kind", "actor", "from", "to", "codes")


@commands.command("list")
def list_(
    project: Project,
    *,
    status: Status = None,
    code: Code = None,
    campaign: Campaign = None,
    name: NameBeginning = None,
    metadata: MetadataPair = None,
    created_from: CreatedFrom = None,
    created_before: CreatedBefore = None,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List vouchers, newest first: id, code, name, discount, recurrence, status, redemptions, end."""
    fields = {
        "project": project,
        "status": status,
        "code": code,
        "campaign": campaign,
        "name": name,
        "metadata": read_pair(metadata, as_json=as_json),
        "createdFrom": created_from,
        "createdBefore": created_before,
        "after": after,
    }
    list_items("vouchers.list", fields, LISTED_COLUMNS, limit=limit, everything=everything, as_json=as_json)


@commands.command()
def show(voucher: Voucher, *, project: Project, as_json: AsJson = False) -> None:
    """Show a voucher with all its fields."""
    with only_reads(as_json=as_json):
        show_object(call("vouchers.retrieve", {"project": project, "voucher": voucher}), as_json=as_json)


@commands.command()
def history(
    voucher: Voucher,
    *,
    project: Project,
    after: After = None,
    limit: Limit = LISTED,
    everything: All = False,
    as_json: AsJson = False,
) -> None:
    """List the changes of a voucher and of its codes, newest first: instant, kind, actor, from, to, codes."""
    fields = {"project": project, "voucher": voucher, "after": after}
    list_items("vouchers.history", fields, CHANGE_COLUMNS, limit=limit, everything=everything, as_json=as_json)


@commands.command()
def create(
    *,
    project: Project,
    name: Name = None,
    code: Code = None,
    campaign: Campaign = None,
    price_discount_percentage: Percentage = None,
    amount: Amount = None,
    currency: Currency = None,
    recurrence: Recurrence = None,
    duration_in_months: Months = None,
    duration_in_cycles: Cycles = None,
    phases: Phases = None,
    maximum_discount_in_all: MaximumInAll = None,
    starts_at: Start = None,
    expires_at: End = None,
    maximum_redemptions: Redemptions = None,
    maximum_redemptions_per_customer: RedemptionsEach = None,
    products: Products = None,
    excluded_products: ExcludedProducts = None,
    first_purchase_only: FirstPurchaseOnly = None,
    exclusive: Exclusive = None,
    priority: Priority = None,
    actor: Actor = None,
    request_id: RequestId = None,
    file: File = None,
    more: Set = None,
    as_json: AsJson = False,
) -> None:
    """Create a voucher from options, from a file, or from both. Options take precedence."""
    fields = {
        "project": project,
        "actor": actor,
        "requestId": request_id,
        "name": name,
        "code": code,
        "campaign": campaign,
        "priceDiscountPercentage": price_discount_percentage,
        "priceDiscount.amount": amount,
        "priceDiscount.currency": currency,
        "recurrence.type": recurrence or ("repeating" if phases else None),
        "recurrence.durationInMonths": duration_in_months,
        "recurrence.durationInCycles": duration_in_cycles,
        "recurrence.phases": read_phases(phases, as_json=as_json),
        "maximumDiscountInAll": read_amount(
            maximum_discount_in_all, option="--maximum-discount-in-all", as_json=as_json
        ),
        "restrictions.startsAt": starts_at,
        "restrictions.expiresAt": expires_at,
        "restrictions.maximumRedemptions": maximum_redemptions,
        "restrictions.maximumRedemptionsPerCustomer": maximum_redemptions_per_customer,
        "restrictions.products": products,
        "restrictions.excludedProducts": excluded_products,
        "restrictions.firstPurchaseOnly": first_purchase_only,
        "exclusive": exclusive,
        "priority": priority,
    }
    with ends_clearly(as_json=as_json):
        body = request_body(fields, file=file, merged=more, as_json=as_json)
        show_answer(call("vouchers.create", body), as_json=as_json)


@commands.command()
def update(
    voucher: Voucher,
    *,
    project: Project,
    name: Name = None,
    code: Code = None,
    campaign: Campaign = None,
    expires_at: End = None,
    maximum_redemptions: Redemptions = None,
    maximum_redemptions_per_customer: RedemptionsEach = None,
    first_purchase_only: FirstPurchaseOnly = None,
    actor: Actor = None,
    request_id: RequestId = None,
    file: File = None,
    more: Set = None,
    as_json: AsJson = False,
) -> None:
    """Change the fields that are given. `--set '{"code": null}'` removes one, and `--set` changes any other."""
    fields = {
        "project": project,
        "voucher": voucher,
        "actor": actor,
        "requestId": request_id,
        "name": name,
        "code": code,
        "campaign": campaign,
        "restrictions.expiresAt": expires_at,
        "restrictions.maximumRedemptions": maximum_redemptions,
        "restrictions.maximumRedemptionsPerCustomer": maximum_redemptions_per_customer,
        "restrictions.firstPurchaseOnly": first_purchase_only,
    }
    with ends_clearly(as_json=as_json):
        body = request_body(fields, file=file, merged=more, as_json=as_json)
        show_answer(call("vouchers.update", body), as_json=as_json)


@commands.command()
def retire(
    voucher: Voucher, *, project: Project, actor: Actor = None, yes: Yes = False, as_json: AsJson = False
) -> None:
    """Retire a voucher: it can no longer be redeemed, and granted discounts stay."""
    with ends_clearly(as_json=as_json):
        confirm(f"Retire {voucher} for good?", is_confirmed=yes, as_json=as_json)
        body = request_body({"project": project, "voucher": voucher, "actor": actor})
        show_answer(call("vouchers.retire", body), as_json=as_json)
