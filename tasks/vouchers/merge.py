"""Merge an update into the stored voucher, and validate the result as a new voucher.

If the result is invalid, the error names a field that the caller sent.
"""

from typing import Any

from domain.value_class import value
from models.vouchers.row_types import ShownVoucherRow
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.messages import CreateForeignVoucher, CreateVoucher, UpdateVoucher
from tasks.vouchers.term_messages import has_phases
from tasks.wire.answers import percentage
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import parse


@value
class Cause:
    """A field that makes another field invalid, by a new value or by a removal."""

    field: str
    is_removed: bool
    message: str


KINDS_OF_PRICE = ("priceDiscount", "priceDiscountPercentage")
# If two fields do not fit each other, validation names the later one. If the caller did not send that,
# an earlier field is the cause, and the error names the earlier field.
CAUSES = {
    "restrictions.expiresAt": [
        Cause(field="restrictions.startsAt", is_removed=False, message="must be earlier than expiresAt")
    ],
    "restrictions.excludedProducts": [
        Cause(
            field="restrictions.products",
            is_removed=False,
            message="must not name a product that excludedProducts names too",
        )
    ],
    "priceDiscountPercentage": [
        Cause(
            field="priceDiscount",
            is_removed=True,
            message="exactly one of priceDiscount and priceDiscountPercentage must be left",
        ),
        Cause(field="recurrence", is_removed=False, message="must have phases: the voucher has no other price"),
    ],
    "recurrence": [
        Cause(field=kind, is_removed=False, message="must not be given while recurrence has phases")
        for kind in KINDS_OF_PRICE
    ],
    "carryOver": [
        Cause(field="priceDiscountPercentage", is_removed=False, message="must not be given while carryOver is true"),
        Cause(field="priceDiscount", is_removed=True, message="must be left while carryOver is true"),
        Cause(
            field="recurrence", is_removed=False, message="must be neither once nor in phases while carryOver is true"
        ),
    ],
    "maximumDiscountInAll": [
        Cause(field="carryOver", is_removed=False, message="must not be true while maximumDiscountInAll is given")
    ],
}
# Fields of a request that are no fields of the voucher.
BESIDE_VOUCHER = frozenset({"request_id", "actor"})


def merged_voucher(request: UpdateVoucher, *, row: ShownVoucherRow) -> CreateVoucher:
    """Return the updated voucher as a request to create it. Raises InvalidRequest with the fields that were sent."""
    shown = voucher_answer(row)
    sent = _sent(request)
    body = {field: shown[field] for field in _writable()} | sent
    body["restrictions"] = shown["restrictions"] | sent.get("restrictions", {})
    for kind, other in (KINDS_OF_PRICE, KINDS_OF_PRICE[::-1]):
        if sent.get(kind) is not None:
            body[other] = None
    if has_phases(sent):
        body |= {kind: sent.get(kind) for kind in KINDS_OF_PRICE}
    try:
        return parse(CreateForeignVoucher, body)
    except InvalidRequest as error:
        raise InvalidRequest([_as_sent(each, sent=sent) for each in error.errors]) from None


def _writable() -> list[str]:
    return [field.alias or name for name, field in CreateVoucher.model_fields.items() if name not in BESIDE_VOUCHER]


def _sent(request: UpdateVoucher) -> dict[str, Any]:
    sent = request.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"project", "voucher", *BESIDE_VOUCHER}
    )
    if request.price_discount_percentage is not None:
        sent["priceDiscountPercentage"] = percentage(request.price_discount_percentage)
    if request.recurrence is not None and request.recurrence.phases is not None:
        for body, phase in zip(sent["recurrence"]["phases"], request.recurrence.phases, strict=True):
            body["priceDiscountPercentage"] = percentage(phase.price_discount_percentage)
    return sent


def _as_sent(error: dict[str, str], *, sent: dict[str, Any]) -> dict[str, str]:
    if _sent_at(error["field"], sent=sent) is not ...:
        return error
    for cause in CAUSES.get(error["field"], []):
        sent_value = _sent_at(cause.field, sent=sent)
        if sent_value is not ... and (sent_value is None) is cause.is_removed:
            return {"field": cause.field, "message": cause.message}
    return error


def _sent_at(field: str, *, sent: dict[str, Any]) -> Any:
    """Return the value that was sent for a field, or an ellipsis if there is none."""
    found: Any = sent
    for part in field.split("."):
        found = found.get(part, ...) if isinstance(found, dict) else ...
    return found
