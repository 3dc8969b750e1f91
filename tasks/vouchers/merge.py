"""What a voucher would be with the changes that were sent, and which of them is to blame where it is none."""

from typing import Any

from domain.value import value
from models.base import StoredRow
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.messages import CreateVoucher, UpdateVoucher
from tasks.wire.answers import percentage
from tasks.wire.errors import InvalidRequest
from tasks.wire.parsing import parse


@value
class Half:
    """A field that makes another one wrong, by what is sent for it or by being taken away."""

    field: str
    is_taken_away: bool
    message: str


# Of fields that must fit each other, the last is found wrong. Where it was not sent, the one that was sent is.
HALVES = {
    "restrictions.expiresAt": [
        Half(field="restrictions.startsAt", is_taken_away=False, message="must be earlier than expiresAt")
    ],
    "priceDiscountPercentage": [
        Half(
            field="priceDiscount",
            is_taken_away=True,
            message="exactly one of priceDiscount and priceDiscountPercentage must be left",
        )
    ],
    "carryOver": [
        Half(field="priceDiscountPercentage", is_taken_away=False, message="must not be given while carryOver is true"),
        Half(field="priceDiscount", is_taken_away=True, message="must be left while carryOver is true"),
        Half(field="recurrence", is_taken_away=False, message="must not be once while carryOver is true"),
    ],
}
KINDS_OF_PRICE = ("priceDiscount", "priceDiscountPercentage")


def merged_voucher(request: UpdateVoucher, *, row: StoredRow) -> CreateVoucher:
    """This function will return the voucher as it would be created now, or raise InvalidRequest for what was sent."""
    shown = voucher_answer(row)
    sent = _sent(request)
    body = {field: shown[field] for field in _writable()} | sent
    body["restrictions"] = shown["restrictions"] | sent.get("restrictions", {})
    for kind, other in (KINDS_OF_PRICE, KINDS_OF_PRICE[::-1]):
        if sent.get(kind) is not None:
            body[other] = None
    try:
        return parse(CreateVoucher, body)
    except InvalidRequest as error:
        raise InvalidRequest([_as_sent(each, sent=sent) for each in error.errors]) from None


def _writable() -> list[str]:
    return [field.alias or name for name, field in CreateVoucher.model_fields.items() if name != "request_id"]


def _sent(request: UpdateVoucher) -> dict[str, Any]:
    sent = request.model_dump(
        mode="json", by_alias=True, exclude_unset=True, exclude={"project", "voucher", "request_id"}
    )
    if request.price_discount_percentage is not None:
        sent["priceDiscountPercentage"] = percentage(request.price_discount_percentage)
    return sent


def _as_sent(error: dict[str, str], *, sent: dict[str, Any]) -> dict[str, str]:
    if _sent_at(error["field"], sent=sent) is not ...:
        return error
    for half in HALVES.get(error["field"], []):
        found = _sent_at(half.field, sent=sent)
        if found is not ... and (found is None) is half.is_taken_away:
            return {"field": half.field, "message": half.message}
    return error


def _sent_at(field: str, *, sent: dict[str, Any]) -> Any:
    """This function will return what was sent for a field, and an ellipsis for nothing."""
    place: Any = sent
    for part in field.split("."):
        place = place.get(part, ...) if isinstance(place, dict) else ...
    return place
