"""The requests that list and change vouchers."""

import hashlib
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from models.voucher_list import VoucherStatus
from tasks.fields import BasisPoints, Code, ExternalId, Metadata, Name, VoucherId, invalid
from tasks.messages import Message, PriceDiscount, Recurrence, Restrictions, StampCard
from tasks.paging import ONE_DIRECTION, PAGE_SIZE, Limit


class ListVouchers(Message):
    """`vouchers.list`: `after` and `before` are positions, whether or not there is a voucher of that id."""

    project: ExternalId
    status: Annotated[list[Annotated[VoucherStatus, Field(strict=False)]], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [VoucherStatus.AVAILABLE]
    )
    code: Code | None = None
    after: VoucherId | None = None
    before: Annotated[VoucherId | None, ONE_DIRECTION] = None
    limit: Limit = PAGE_SIZE


class UpdateVoucher(Message):
    """`vouchers.update`: what is not given stays, and null takes away what a voucher can be without."""

    project: ExternalId
    voucher: VoucherId
    request_id: ExternalId | None = None
    name: Name | None = None
    code: Code | None = None
    price_discount: PriceDiscount | None = None
    price_discount_percentage: BasisPoints | None = None
    recurrence: Recurrence | None = None
    restrictions: Restrictions | None = None
    metadata: Metadata | None = None
    carry_over: bool | None = None
    stamp_card: StampCard | None = None
    maximum_discount: PriceDiscount | None = None
    budget: PriceDiscount | None = None

    @field_validator("name", "recurrence", "restrictions", "metadata", "carry_over")
    @classmethod
    def _stays(cls, value: Any) -> Any:
        if value is None:
            raise invalid("must not be null: a voucher cannot be without it")
        return value

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("price_discount") is not None:
            raise invalid("must not be given together with priceDiscount")
        return value

    def fingerprint(self) -> bytes:
        """This function will return what two requests with the same body have in common: 32 bytes.

        Elsewhere null means the same as a field that is left out. Here it takes something away.
        """
        names = _nulls(self) | {f"restrictions.{name}" for name in _nulls(self.restrictions)}
        return hashlib.sha256(super().fingerprint() + " ".join(sorted(names)).encode()).digest()


def _nulls(message: Message | None) -> set[str]:
    given = message.model_fields_set - {"request_id"} if message else set()
    return {name for name in given if getattr(message, name) is None}
