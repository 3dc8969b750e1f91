"""Discounts in the format of Polar: https://docs.polar.sh/api-reference/discounts. Each is one of our vouchers.

`organization_id` is the project. Answers have the documented fields only: no minimum subtotal, for example. A
percentage is rounded to whole basis points. `products` are the ids that were sent, instead of Polar's own objects.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from domain.money import divide_half_up
from domain.terms import RetiredReason
from models.vouchers.look_up import find_voucher
from models.vouchers.numbered_pages import find_page
from models.vouchers.row_types import VoucherRow
from tasks.foreign.adapter import fields_named, in_one_phase, plain_uuid, unless_refused
from tasks.foreign.polar_amounts import amounts_of, price_of
from tasks.foreign.polar_messages import CreateDiscount, DiscountReference, DiscountTerms, ListDiscounts, UpdateDiscount
from tasks.intake.task import contract_task, delivery_id
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.create import create_voucher
from tasks.vouchers.messages import CreateForeignVoucher, RetireVoucher, UpdateForeignVoucher, UpdateVoucher
from tasks.vouchers.retire import retire_voucher
from tasks.vouchers.update import lock_for_update, update_voucher
from tasks.wire.answers import MILLIONTHS_PER_PERCENT, Answer, conflict_answer, instant, percentage
from tasks.wire.errors import InvalidRequest, NotFound
from tasks.wire.fields import MILLIONTHS_PER_BASIS_POINT
from tasks.wire.parsing import parse
from tasks.wire.replay import AnswerTable, answer_once
from worker.database import run_in_transaction, transaction

# Our names of the fields in which our use cases find an error, and the names in Polar's format.
FIELDS = {
    "restrictions.startsAt": "starts_at",
    "restrictions.expiresAt": "ends_at",
    "restrictions.maximumRedemptions": "max_redemptions",
    "restrictions.maximumRedemptionsPerCustomer": "max_redemptions_per_customer",
    "restrictions.products": "products",
    "priceDiscount": "amount",
    "priceDiscount.amount": "amount",
    "priceDiscount.currency": "currency",
    "priceDiscountPercentage": "basis_points",
    "recurrence": "duration_in_months",
    "recurrence.durationInMonths": "duration_in_months",
}
# The fields of Polar that are restrictions of ours.
LIMITS = {
    "starts_at": "startsAt",
    "ends_at": "expiresAt",
    "max_redemptions": "maximumRedemptions",
    "max_redemptions_per_customer": "maximumRedemptionsPerCustomer",
    "products": "products",
}


@contract_task("polar.discounts.create", message=CreateDiscount, first_answer=AnswerTable.VOUCHERS)
def create(request: CreateDiscount) -> Answer:
    """Create a discount, once for each task id."""
    voucher, key = our_voucher(request), delivery_id()
    with fields_named(FIELDS):
        answer = run_in_transaction(lambda session: create_voucher(session, voucher, delivery=key))
    return unless_refused(answer, lambda created: polar_discount(created, modified_at=None))


@contract_task("polar.discounts.retrieve", message=DiscountReference, first_answer=AnswerTable.READS)
def retrieve(request: DiscountReference) -> Answer:
    """Return the discount as it is now."""
    with transaction() as session:
        return _discount_of(_existing(session, request))


@contract_task("polar.discounts.update", message=UpdateDiscount, first_answer=AnswerTable.WRITE_ANSWERS)
def update(request: UpdateDiscount) -> Answer:
    """Change the fields of a discount that were sent, once for each task id."""
    delivery = delivery_id()
    with fields_named(FIELDS):
        return run_in_transaction(lambda session: update_discount(session, request, delivery=delivery))


@contract_task("polar.discounts.list", message=ListDiscounts, first_answer=AnswerTable.READS)
def list_(request: ListDiscounts) -> Answer:
    """Return a page of the discounts that were not deleted, and their total count."""
    with transaction() as session:
        rows, total = find_page(
            session,
            project=request.organization_id,
            query=request.query,
            sorting=request.sorting,
            limit=request.limit,
            offset=(request.page - 1) * request.limit,
        )
    pages = -(-total // request.limit)
    return {"items": [_discount_of(row) for row in rows], "pagination": {"total_count": total, "max_page": pages}}


@contract_task("polar.discounts.delete", message=DiscountReference, first_answer=AnswerTable.STATE)
def delete(request: DiscountReference) -> None:
    """Retire the discount. The answer is empty, as in Polar, also for a redelivery."""
    reference = {"project": request.organization_id, "voucher": str(request.id)}
    with transaction() as session:
        retire_voucher(session, parse(RetireVoucher, reference))


def update_discount(session: Session, request: UpdateDiscount, *, delivery: str | None = None) -> Answer:
    """Change the discount once for each task id, and answer redeliveries with the first answer.

    Raises NotFound if there is no such discount, and InvalidRequest if the changed discount would be invalid.
    """
    body: dict[str, Any] = {"project": request.organization_id, "voucher": str(request.id)}
    if "code" in request.model_fields_set:
        body["code"] = request.code
    row, _ = lock_for_update(session, parse(UpdateVoucher, body))
    return answer_once(
        session,
        request,
        task="polar.discounts.update",
        delivery=delivery,
        conflict=lambda: conflict_answer("voucher", project=request.project, request_id=None),
        work=lambda: _update(session, request, row=_not_deleted(row)),
    )


def _update(session: Session, request: UpdateDiscount, *, row: VoucherRow) -> Answer:
    changes = parse(UpdateForeignVoucher, our_changes(request, voucher=voucher_answer(row)))
    answer = update_voucher(session, changes)
    return unless_refused(answer, lambda _: _discount_of(_existing(session, request)))


def our_changes(request: UpdateDiscount, *, voucher: Answer) -> dict[str, Any]:
    """Return the body of our request for the same changes.

    Raises InvalidRequest if the type or the duration differs: Polar allows neither to change.
    """
    sent = request.model_fields_set
    given = {name: value for name in sent if (value := getattr(request, name)) is not None}
    shown = _terms(voucher)
    changed = [name for name in ("type", "duration") if given.get(name, shown[name]) != shown[name]]
    if changed:
        raise InvalidRequest([{"field": name, "message": "cannot be changed"} for name in changed])
    body = {"project": request.organization_id, "voucher": str(request.id), **_changed_terms(given, voucher=voucher)}
    body |= {name: given[name] for name in ("name", "metadata") if name in given}
    if "code" in sent:
        body["code"] = request.code
    # Null leaves the products as they are, but an empty list removes the restriction.
    limits = [name for name in LIMITS if name in (given if name == "products" else sent)]
    restrictions = _restrictions(request)
    return body | {"restrictions": {LIMITS[name]: restrictions[LIMITS[name]] for name in limits}}


def _changed_terms(given: Mapping[str, Any], *, voucher: Answer) -> Answer:
    """Return the whole price discount or recurrence if a part was sent."""
    price, recurrence, changed = voucher["priceDiscount"], voucher["recurrence"], Answer()
    if recurrence["type"] == "repeating" and "duration_in_months" in given:
        changed["recurrence"] = {"type": "repeating", "durationInMonths": given["duration_in_months"]}
    if price is None and "basis_points" in given:
        changed["priceDiscountPercentage"] = _percentage_of(given["basis_points"])
    if price is not None and given.keys() & {"amount", "currency", "amounts"}:
        changed["priceDiscount"] = price_of(given, price=price)
    return changed


def our_voucher(request: CreateDiscount) -> CreateForeignVoucher:
    """Return our request for the same discount."""
    body = {
        "project": request.organization_id,
        "name": request.name,
        "code": request.code,
        "priceDiscount": price_of(request.model_dump()) if request.type == "fixed" else None,
        "priceDiscountPercentage": _percentage_of(request.basis_points),
        "recurrence": {"type": request.duration, "durationInMonths": request.duration_in_months},
        "restrictions": _restrictions(request),
        "metadata": request.metadata,
    }
    return parse(CreateForeignVoucher, body)


def _percentage_of(basis_points: int | None) -> int | float | None:
    return None if basis_points is None else percentage(basis_points * MILLIONTHS_PER_BASIS_POINT)


def _restrictions(request: DiscountTerms) -> Answer:
    return {
        "startsAt": instant(request.starts_at),
        "expiresAt": instant(request.ends_at),
        "maximumRedemptions": request.max_redemptions,
        "maximumRedemptionsPerCustomer": request.max_redemptions_per_customer,
        "products": request.products or None,
    }


def polar_discount(voucher: Answer, *, modified_at: str | None) -> Answer:
    """Return a voucher in the format of Polar."""
    restrictions = voucher["restrictions"]
    return {
        **_terms(voucher),
        "created_at": voucher["createdAt"],
        "modified_at": modified_at,
        "id": plain_uuid(voucher["id"]),
        "metadata": voucher["metadata"],
        "name": voucher["name"],
        "code": voucher["code"],
        "starts_at": restrictions["startsAt"],
        "ends_at": restrictions["expiresAt"],
        "max_redemptions": restrictions["maximumRedemptions"],
        "max_redemptions_per_customer": restrictions["maximumRedemptionsPerCustomer"],
        "redemptions_count": voucher["redemptions"],
        "organization_id": voucher["project"],
        "products": restrictions["products"] or [],
    }


def _terms(voucher: Answer) -> Answer:
    voucher = in_one_phase(voucher)
    price, recurrence = voucher["priceDiscount"], voucher["recurrence"]
    duration: Answer = {"duration": recurrence["type"]}
    if recurrence["type"] == "repeating":
        duration |= {"duration_in_months": recurrence["durationInMonths"]}
    if price is None:
        # Polar knows no parts of a basis point.
        millionths = round(voucher["priceDiscountPercentage"] * MILLIONTHS_PER_PERCENT)
        basis_points = divide_half_up(millionths, MILLIONTHS_PER_BASIS_POINT)
        return {**duration, "type": "percentage", "basis_points": basis_points}
    amounts, own = amounts_of(price), price["currency"].lower()
    return {**duration, "type": "fixed", "amount": amounts[own], "currency": own, "amounts": amounts}


def _discount_of(row: VoucherRow) -> Answer:
    changes = [each for each in (row.updated_at, row.retired_at) if each is not None]
    return polar_discount(voucher_answer(row), modified_at=instant(max(changes, default=None)))


def _existing(session: Session, request: DiscountReference | UpdateDiscount) -> VoucherRow:
    return _not_deleted(find_voucher(session, project=request.organization_id, id=request.id))


def _not_deleted(row: VoucherRow | None) -> VoucherRow:
    # Polar's deleted discount is our manually retired voucher.
    if row is None or row.retired_reason == RetiredReason.MANUAL_ACTION:
        raise NotFound("discount")
    return row
