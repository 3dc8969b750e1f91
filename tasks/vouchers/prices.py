"""The prices of vouchers and discounts and of the phases of ramps, as they are stored and as answers show them."""

from collections.abc import Mapping
from typing import Any

from domain.ramp import effective_durations
from models.vouchers.row_types import DiscountTermsRow
from tasks.vouchers.term_messages import Phase, PriceDiscount
from tasks.wire.answers import Answer, percentage


def stored_amounts(amounts: PriceDiscount | None) -> dict[str, int] | None:
    """Return the amounts of a request as a row has them: minor units by currency."""
    return None if amounts is None else amounts.by_currency()


def shown_amounts(amounts_minor: Mapping[str, int] | None, *, currency: str | None) -> Answer | None:
    """Return the amounts of a row as an answer has them, the main currency first, or None without amounts."""
    if amounts_minor is None or currency is None:
        return None
    options = {other: amount for other, amount in amounts_minor.items() if other != currency}
    return {"amount": amounts_minor[currency], "currency": currency, "currencyOptions": options}


def stored_phases(phases: list[Phase] | None) -> list[dict[str, Any]] | None:
    """Return the phases of a request as a row has them."""
    if phases is None:
        return None
    return [
        {
            "percentage_millionths": each.price_discount_percentage,
            "amounts_minor": stored_amounts(each.price_discount),
            "currency": each.price_discount and each.price_discount.currency,
            "duration": each.duration,
        }
        for each in phases
    ]


def shown_phases(row: DiscountTermsRow) -> list[Answer] | None:
    """Return the phases of a voucher or of a discount as an answer has them, or None if it is no ramp."""
    if row.phases is None:
        return None
    whole = row.duration_in_months or row.duration_in_cycles or 0
    durations = effective_durations([each["duration"] for each in row.phases], whole=whole)
    return [
        {
            "priceDiscount": shown_amounts(each["amounts_minor"], currency=each["currency"]),
            "priceDiscountPercentage": percentage(each["percentage_millionths"]),
            "durationInMonths": None if row.duration_in_months is None else duration,
            "durationInCycles": None if row.duration_in_cycles is None else duration,
        }
        for each, duration in zip(row.phases, durations, strict=True)
    ]
