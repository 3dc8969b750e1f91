"""The rows that the queries on vouchers return, with the types of their columns."""

from datetime import datetime
from typing import Any, Protocol
from uuid import UUID


class PriceDiscountRow(Protocol):
    """The columns of a voucher or of a discount that say how much is taken off. Exactly one of them is set."""

    percentage_millionths: int | None
    amounts_minor: dict[str, int] | None
    phases: list[dict[str, Any]] | None


class TotalRow(Protocol):
    """The columns of a voucher or of a discount that say how much a discount gives over its life."""

    amounts_minor: dict[str, int] | None
    carry_over: bool
    maximum_discount_in_all_minor: dict[str, int] | None


class ShownTotalRow(TotalRow, Protocol):
    """The same with the currencies that answers show first."""

    currency: str | None
    maximum_discount_in_all_currency: str | None


class DiscountTermsRow(PriceDiscountRow, ShownTotalRow, Protocol):
    """The terms that a discount copies from the voucher and that an answer shows."""

    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None
    exclusive: bool
    priority: int
    maximum_discount_minor: dict[str, int] | None
    maximum_discount_currency: str | None


class PlacesRow(Protocol):
    """The counters of a voucher or of a code: redemptions, and how many of their places were returned."""

    redemptions: int
    places_returned: int


class MinimumSubtotalRow(Protocol):
    """The columns of a voucher or of a discount that say which amount a purchase or an invoice must reach."""

    minimum_subtotal_minor: int | None
    minimum_subtotal_currency: str | None


class RestrictionsRow(MinimumSubtotalRow, Protocol):
    """The columns that restrict redemptions of a voucher, the stamp card included."""

    starts_at: datetime | None
    expires_at: datetime | None
    maximum_redemptions: int | None
    maximum_redemptions_per_customer: int | None
    products: list[str] | None
    excluded_products: list[str] | None
    first_purchase_only: bool
    minimum_subtotal_on_invoice: bool
    stamps_required: int | None
    stamp_expire_days: int | None


class DecisiveVoucherRow(PriceDiscountRow, PlacesRow, RestrictionsRow, Protocol):
    """The columns of a voucher that a decision needs."""

    project: str
    id: UUID
    code: str | None
    held: int
    exclusive: bool
    retired_reason: str | None
    imported_redemptions: int
    imported_matched: int


class ShownVoucherRow(DiscountTermsRow, PlacesRow, RestrictionsRow, Protocol):
    """The columns of a voucher that an answer shows."""

    project: str
    id: UUID
    created_at: datetime
    name: str
    code: str | None
    campaign: str | None
    retired_reason: str | None
    retired_at: datetime | None
    updated_at: datetime | None
    metadata: dict[str, Any]
    budget_minor: dict[str, int] | None
    budget_currency: str | None


class VoucherRow(ShownVoucherRow, Protocol):
    """A whole row of `vouchers`."""

    held: int


class VoucherCreationRow(Protocol):
    """The key of the request that created a voucher, its first answer, and the fingerprint of its body."""

    request_id: str | None
    delivery_id: str | None
    fingerprint: bytes | None
    creation_answer: dict[str, Any] | None
