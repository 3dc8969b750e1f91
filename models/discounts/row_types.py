"""The types of the rows of discounts that queries return: Protocols with the columns and their types."""

from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID


class DiscountRow(Protocol):
    """A row of `discounts` with all columns."""

    project: str
    id: UUID
    voucher_id: UUID
    customer: str
    subscription: str
    created_at: datetime
    percentage_millionths: int | None
    amounts_minor: dict[str, int] | None
    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None
    carry_over: bool
    exclusive: bool
    priority: int
    products: list[str] | None
    starts_on: date
    starts_on_in_utc: date
    status: str
    first_cycle_start: date | None
    last_cycle_start: date | None
    cycles: int
    ends_on: date | None
    last_cycle_end: date | None
    entries_given_back: int
    entries_credited: int
    ended_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime | None
    maximum_discount_minor: dict[str, int] | None
    maximum_discount_in_all_minor: dict[str, int] | None
    has_budget: bool
    excluded_products: list[str] | None
    phases: list[dict[str, Any]] | None
    is_imported: bool
    minimum_subtotal_minor: int | None
    minimum_subtotal_currency: str | None


class NewDiscountRow(DiscountRow, Protocol):
    """A row of `discounts` as it would be added."""


class ListedDiscountRow(DiscountRow, Protocol):
    """A row of `discounts` with the currencies of its voucher, and its latest changes, the newest first."""

    currency: str | None
    maximum_discount_currency: str | None
    maximum_discount_in_all_currency: str | None
    # Rows of `discount_changes` as JSON.
    history: list[dict[str, Any]]
    # The row of `imported_discounts` as JSON, if there is one.
    imported: dict[str, Any] | None


class RecurrenceRow(Protocol):
    """The columns of a row of `discounts` that say which periods it covers."""

    recurrence: str
    duration_in_months: int | None
    duration_in_cycles: int | None


class ProgressRow(Protocol):
    """The columns of a row of `discounts` that say which periods it has covered."""

    first_cycle_start: date | None
    last_cycle_start: date | None
    cycles: int
    ends_on: date | None
    last_cycle_end: date | None


class WindowRow(Protocol):
    """The end of a discount's window."""

    ends_on: date | None
