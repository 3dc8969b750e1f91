"""Vouchers in the format of Gigs: https://developers.gigs.com/api/latest/billing/vouchers.

A request has the parameters of the path (`project`, `voucher`) beside the fields of the body, which share no name.
Unknown fields are refused, as Gigs refuses them. `restrictions` are on its older page; here they may be null.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from models.vouchers.filter import VoucherFilter
from models.vouchers.listing import VoucherStatus
from tasks.foreign.adapter import in_one_phase, months_for, unless_refused
from tasks.intake.task import contract_task, delivery_id
from tasks.vouchers.create import create_voucher
from tasks.vouchers.list import list_vouchers
from tasks.vouchers.messages import CreateVoucher, RetireVoucher, VoucherPage, VoucherReference
from tasks.vouchers.retire import retire_voucher
from tasks.vouchers.retrieve import retrieve_voucher
from tasks.wire.answers import MILLIONTHS_PER_PERCENT, Answer, instant, percentage
from tasks.wire.fields import (
    Count,
    CurrencyCode,
    ExternalId,
    InstantField,
    Months,
    Name,
    Percentage,
    PositiveAmount,
    VoucherId,
    invalid,
)
from tasks.wire.message import Message, check_exactly_one
from tasks.wire.parsing import parse
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction, transaction


class GigsMessage(Message):
    """The base of the requests of Gigs: camelCase only."""

    model_config = ConfigDict(validate_by_name=False)


def _at_least_one_percent(millionths: int) -> int:
    if millionths < MILLIONTHS_PER_PERCENT:
        raise invalid("must lie between 1 and 100")
    return millionths


class GigsPriceDiscount(GigsMessage):
    """A fixed amount in minor units."""

    amount: PositiveAmount
    currency: CurrencyCode


class GigsRecurrence(GigsMessage):
    """The recurrence of a discount, with `durationInMonths` if the type is `repeating`.

    The example of the reference has one month with `once`, which means the same as none.
    """

    type: Literal["once", "repeating", "forever"]
    duration_in_months: Months | None = Field(default=None, validate_default=True)

    @field_validator("duration_in_months")
    @classmethod
    def _fits_type(cls, value: int | None, info: ValidationInfo) -> int | None:
        recurrence = info.data.get("type")
        return None if (recurrence, value) == ("once", 1) else months_for(recurrence, value)


class GigsRestrictions(GigsMessage):
    """Conditions under which the voucher can be used."""

    expires_at: InstantField | None = None
    maximum_redemptions: Count | None = None


class CreateGigsVoucher(GigsMessage):
    """`gigs.vouchers.create`: `POST /projects/{project}/vouchers`."""

    project: ExternalId
    name: Name
    price_discount: GigsPriceDiscount | None = None
    price_discount_percentage: Annotated[Percentage, AfterValidator(_at_least_one_percent)] | None = Field(
        default=None, validate_default=True
    )
    recurrence: GigsRecurrence
    restrictions: GigsRestrictions | None = None

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        check_exactly_one(info, value=value, other="price_discount")
        return value


class GigsVoucherReference(GigsMessage):
    """`gigs.vouchers.retrieve` and `gigs.vouchers.retire`: `/projects/{project}/vouchers/{voucher}`."""

    project: ExternalId
    voucher: VoucherId


class ListGigsVouchers(VoucherPage):
    """`gigs.vouchers.list`: `GET /projects/{project}/vouchers`, with `status` as in a URL, or empty for the default."""

    model_config = ConfigDict(validate_by_name=False)

    @field_validator("status", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        # In a URL, commas separate the statuses.
        if value in ("", []):
            return [VoucherStatus.AVAILABLE]
        return value.split(",") if isinstance(value, str) else value


@contract_task("gigs.vouchers.create", message=CreateGigsVoucher, first_answer=AnswerTable.VOUCHERS)
def create(request: CreateGigsVoucher) -> Answer:
    """Create a voucher, once for each task id."""
    voucher, key = our_voucher(request), delivery_id()
    answer = run_in_transaction(lambda session: create_voucher(session, voucher, delivery=key))
    return unless_refused(answer, gigs_voucher)


@contract_task("gigs.vouchers.retrieve", message=GigsVoucherReference, first_answer=AnswerTable.READS)
def retrieve(request: GigsVoucherReference) -> Answer:
    """Return the voucher as it is now."""
    with transaction() as session:
        return gigs_voucher(retrieve_voucher(session, parse(VoucherReference, _our_reference(request))))


@contract_task("gigs.vouchers.retire", message=GigsVoucherReference, first_answer=AnswerTable.STATE)
def retire(request: GigsVoucherReference) -> Answer:
    """Retire a voucher: it can no longer be redeemed."""
    with transaction() as session:
        return gigs_voucher(retire_voucher(session, parse(RetireVoucher, _our_reference(request))))


@contract_task("gigs.vouchers.list", message=ListGigsVouchers, first_answer=AnswerTable.READS)
def list_(request: ListGigsVouchers) -> Answer:
    """Return a page of the project's vouchers, and the positions of the next and the previous page."""
    with transaction() as session:
        page = list_vouchers(session, request, narrowed_by=VoucherFilter())
    return {
        "object": "list",
        "items": [gigs_voucher(each) for each in page["items"]],
        "moreItemsAfter": page["moreItemsAfter"],
        "moreItemsBefore": page["moreItemsBefore"],
    }


def our_voucher(request: CreateGigsVoucher) -> CreateVoucher:
    """Return our request for the same voucher."""
    restrictions = request.restrictions or GigsRestrictions()
    body = {
        "project": request.project,
        "name": request.name,
        "priceDiscount": request.price_discount and request.price_discount.model_dump(),
        "priceDiscountPercentage": percentage(request.price_discount_percentage),
        "recurrence": request.recurrence.model_dump(),
        "restrictions": {
            "expiresAt": instant(restrictions.expires_at),
            "maximumRedemptions": restrictions.maximum_redemptions,
        },
    }
    return parse(CreateVoucher, body)


def gigs_voucher(voucher: Answer) -> Answer:
    """Return a voucher in the format of Gigs."""
    voucher = in_one_phase(voucher)
    price, recurrence, restrictions = voucher["priceDiscount"], voucher["recurrence"], voucher["restrictions"]
    return {
        "object": "voucher",
        "id": voucher["id"],
        "createdAt": voucher["createdAt"],
        "name": voucher["name"],
        "priceDiscount": price and {"amount": price["amount"], "currency": price["currency"]},
        "priceDiscountPercentage": voucher["priceDiscountPercentage"],
        "recurrence": {"type": recurrence["type"], "durationInMonths": recurrence["durationInMonths"]},
        "redemptions": voucher["redemptions"],
        "retiredReason": voucher["retiredReason"],
        "status": voucher["status"],
        "restrictions": {
            "expiresAt": restrictions["expiresAt"],
            "maximumRedemptions": restrictions["maximumRedemptions"],
        },
    }


def _our_reference(request: GigsVoucherReference) -> dict[str, str]:
    return {"project": request.project, "voucher": str(request.voucher)}
