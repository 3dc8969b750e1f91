"""The terms in requests about vouchers: how much a discount takes off, and for how long."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from domain.terms import PHASES_MAX
from tasks.wire.fields import DURATION_MAX, CurrencyCode, Cycles, Months, Percentage, PositiveAmount, Subtotal, invalid
from tasks.wire.message import Message, check_exactly_one, was_given


class PriceDiscount(Message):
    """An amount in minor units of a currency, with amounts in other currencies."""

    amount: PositiveAmount
    currency: CurrencyCode
    currency_options: dict[CurrencyCode, PositiveAmount] = Field(default_factory=dict)

    @field_validator("currency_options", mode="before")
    @classmethod
    def _differ_in_more_than_case(cls, value: Any) -> Any:
        if isinstance(value, dict) and len({str(name).upper() for name in value}) < len(value):
            raise invalid("must name each currency once")
        return value

    @field_validator("currency_options")
    @classmethod
    def _leave_out_own_currency(cls, value: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        if info.data.get("currency") in value:
            raise invalid("must not name the currency of the amount itself")
        return dict(sorted(value.items()))

    def by_currency(self) -> dict[str, int]:
        """Return the amount of each currency, in minor units."""
        return {self.currency: self.amount, **self.currency_options}


class PriceFromZero(PriceDiscount):
    """A price of another system, where an amount of 0 is a discount that takes nothing off."""

    amount: Subtotal
    currency_options: dict[CurrencyCode, Subtotal] = Field(default_factory=dict)


class Phase(Message):
    """A part of a ramp: one price, and one duration."""

    price_discount: PriceDiscount | None = None
    price_discount_percentage: Percentage | None = Field(default=None, validate_default=True)
    duration_in_cycles: Cycles | None = None
    duration_in_months: Months | None = Field(default=None, validate_default=True)

    @field_validator("price_discount_percentage")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        check_exactly_one(info, value=value, other="price_discount")
        return value

    @field_validator("duration_in_months")
    @classmethod
    def _one_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        check_exactly_one(info, value=value, other="duration_in_cycles")
        return value

    @property
    def duration(self) -> int:
        """How long the phase lasts, in months or cycles."""
        return self.duration_in_months or self.duration_in_cycles or 0


class Recurrence(Message):
    """How long a discount runs. `repeating` has exactly one of the durations, or phases that have them; others none."""

    type: Literal["once", "repeating", "forever"]
    phases: Annotated[list[Phase], Field(min_length=1, max_length=PHASES_MAX)] | None = None
    duration_in_cycles: Cycles | None = None
    duration_in_months: Months | None = Field(default=None, validate_default=True)

    @field_validator("phases", "duration_in_cycles", "duration_in_months")
    @classmethod
    def _fits_type(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("type") in {"once", "forever"} and value is not None:
            raise invalid("must be given with repeating only")
        return value

    @field_validator("phases")
    @classmethod
    def _last_so_long(cls, value: list[Phase] | None) -> list[Phase] | None:
        if value is not None and len({each.duration_in_months is None for each in value}) > 1:
            raise invalid("must all have durationInMonths, or all durationInCycles")
        if value is not None and sum(each.duration for each in value) > DURATION_MAX:
            raise invalid(f"must not last longer than {DURATION_MAX} in all")
        return value

    @field_validator("duration_in_cycles", "duration_in_months")
    @classmethod
    def _of_phases(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and was_given(info, "phases"):
            raise invalid("must not be given with phases: they have durations of their own")
        return value

    @field_validator("duration_in_months")
    @classmethod
    def _one_duration(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("type") == "repeating" and not was_given(info, "phases"):
            check_exactly_one(info, value=value, other="duration_in_cycles")
        return value

    def whole_in_months(self) -> int | None:
        """Return the duration in months, that of the phases together if there are any."""
        return self._whole([each.duration_in_months for each in self.phases or ()]) or self.duration_in_months

    def whole_in_cycles(self) -> int | None:
        """Return the duration in cycles, that of the phases together if there are any."""
        return self._whole([each.duration_in_cycles for each in self.phases or ()]) or self.duration_in_cycles

    @staticmethod
    def _whole(durations: list[int | None]) -> int:
        return sum(each or 0 for each in durations)


def has_phases(body: Mapping[str, Any]) -> bool:
    """Return whether the recurrence in the body of a request has phases, whatever they are."""
    recurrence = body.get("recurrence")
    return isinstance(recurrence, Mapping) and recurrence.get("phases") is not None
