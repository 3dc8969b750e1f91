"""The figures that sentences name: amounts with the decimals of their currency, days, and instants in UTC.

A figure that is not known is left out, and the sentence is worded without it.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from domain.allowance import allowance_left
from domain.currency import money_text
from domain.ramp import effective_durations
from domain.terms import RecurrenceType, RetiredReason
from models.codes.row_types import CodeRow
from models.discounts.row_types import ListedDiscountRow
from models.invoices.taken_by_discount import TakenRow
from models.vouchers.row_types import DiscountTermsRow, MinimumSubtotalRow, ShownVoucherRow
from models.vouchers.total import total_currency_of, total_minor_of
from tasks.support.sentences import Figures
from tasks.wire.answers import percentage

# An amount and its currency, or a percentage, as a person reads them.
PERCENT = "{} %"


def request_figures(*, at: datetime, voucher: ShownVoucherRow | None, code: CodeRow | None) -> Figures:
    """Return the figures of a request at an instant. If the voucher was updated since, leave out its terms."""
    figures: dict[str, str | None] = {}
    if voucher is not None:
        if voucher.retired_reason == RetiredReason.MANUAL_ACTION:
            figures["voucher_retired_at"] = _instant_text(voucher.retired_at)
        if voucher.updated_at is None or voucher.updated_at <= at:
            figures |= _restriction_figures(voucher)
    if code is not None:
        figures["code_retired_at"] = _instant_text(code.retired_at)
        figures["code_expires_at"] = _instant_text(code.expires_at)
        figures["code_maximum"] = _times_text(code.maximum_redemptions)
        figures["code_maximum_per_customer"] = _times_text(code.maximum_redemptions_per_customer)
    return _known(figures)


def _restriction_figures(voucher: ShownVoucherRow) -> dict[str, str | None]:
    return {
        "worth": worth_text(voucher),
        "starts_at": _instant_text(voucher.starts_at),
        "expires_at": _instant_text(voucher.expires_at),
        "maximum": _times_text(voucher.maximum_redemptions),
        "maximum_per_customer": _times_text(voucher.maximum_redemptions_per_customer),
        "stamps": _number_text(voucher.stamps_required),
        "minimum": _minimum_text(voucher),
    }


def discount_figures(
    row: ListedDiscountRow, *, given_minor: Mapping[str, int], first_taken_at: datetime | None
) -> Figures:
    """Return the figures of a discount: its terms, its window and what is left of it."""
    maximum_minor = row.maximum_discount_minor or {}
    is_cycles = row.duration_in_cycles is not None
    figures: dict[str, str | None] = {
        "worth": worth_text(row),
        "duration": _duration_text(row),
        "phases": None if row.phases is None else phases_text(row),
        "starts_on": day_text(row.starts_on),
        "first_cycle_start": day_text(row.first_cycle_start),
        "ends_on": day_text(row.ends_on),
        "granted_at": instant_text(row.created_at),
        "ended_at": _instant_text(row.ended_at),
        "single_invoice": "a single invoice" if row.recurrence == RecurrenceType.ONCE else None,
        "cycles": _number_text(row.cycles) if is_cycles else None,
        "cycles_in_all": _number_text(row.duration_in_cycles),
        "billing_cycles": _duration_text(row) if is_cycles else None,
        "taken_since": None if row.cycles else _instant_text(first_taken_at),
        "minimum": _minimum_text(row),
        "maximum_on_invoice": amounts_text(maximum_minor, first=row.maximum_discount_currency) or None,
    }
    if row.imported is not None:
        figures["imported_at"] = instant_text(datetime.fromisoformat(row.imported["created_at"]))
        cycles = row.imported["cycles"]
        figures["cycles_elsewhere"] = _count_text(cycles, unit="billing cycle") if cycles else None
    return _known({**figures, **_total_figures(row, given_minor=given_minor)})


def _total_figures(row: ListedDiscountRow, *, given_minor: Mapping[str, int]) -> dict[str, str | None]:
    total_minor, first = total_minor_of(row), total_currency_of(row)
    if total_minor is None:
        return {}
    name, left = "balance" if row.carry_over else "maximum", total_left(total_minor, given_minor=given_minor)
    in_all = amounts_text(total_minor, first=first)
    return {
        f"{name}_in_all": in_all,
        f"{name}_left": amounts_text(left, first=first),
        f"{name}_used_up": None if any(left.values()) else in_all,
    }


def taken_figures(
    row: ListedDiscountRow, *, currency: str, amount_minor: int, phase: int | None, left_minor: int | None
) -> Figures:
    """Return the figures of an amount that a discount took off an invoice, and the limit that it has reached.

    `phase` is the number of the phase that the discount was in, or None if it is no ramp. `left_minor` is what was left
    of its total, or None if it has none.
    """
    figures = {"amount": money_text(amount_minor, currency=currency)}
    if amount_minor == (row.maximum_discount_minor or {}).get(currency):
        figures["maximum_discount"] = figures["amount"]
    if row.maximum_discount_in_all_minor is not None and left_minor == 0:
        figures["rest_in_all"] = figures["amount"]
    amounts_minor = row.amounts_minor or {}
    if phase is not None and row.phases is not None:
        amounts_minor = row.phases[phase - 1]["amounts_minor"] or {}
        figures["phase"], figures["phase_worth"] = f"{phase} of {len(row.phases)}", _phase_text(row.phases[phase - 1])
    if not row.carry_over and amount_minor < amounts_minor.get(currency, 0):
        figures["fixed"] = money_text(amounts_minor[currency], currency=currency)
    return figures


def fixed_text(row: ListedDiscountRow, *, currency: str) -> Figures:
    """Return the fixed amount of each cycle in a currency, if the discount has one, is no balance and has no phases."""
    amount_minor = None if row.carry_over else (row.amounts_minor or {}).get(currency)
    return {} if amount_minor is None else {"fixed": money_text(amount_minor, currency=currency)}


def entry_figures(row: TakenRow) -> Figures:
    """Return the figures of a ledger entry or of a reversal, which says how much came back."""
    return _known(
        {
            "amount": money_text(row.amount_minor, currency=row.currency),
            "returned": money_text(-row.amount_minor, currency=row.currency),
            "cycle_start": day_text(row.cycle_start),
        }
    )


def total_left(total_minor: Mapping[str, int], *, given_minor: Mapping[str, int]) -> dict[str, int]:
    """Return the rest of a balance or of a maximum in all in each of its currencies, in minor units."""
    return {each: allowance_left(total_minor, currency=each, taken_minor=given_minor) for each in sorted(total_minor)}


def worth_text(row: DiscountTermsRow) -> str:
    """Return the percentage, the fixed amounts or the phases of a voucher or of a discount."""
    if row.phases is not None:
        return phases_text(row)
    return _price_text(row.percentage_millionths, row.amounts_minor, currency=row.currency)


def phases_text(row: DiscountTermsRow) -> str:
    """Return the price and the duration of each phase of a ramp, as long as they are now."""
    phases = row.phases or []
    unit, whole = "month", row.duration_in_months
    if whole is None:
        unit, whole = "billing cycle", row.duration_in_cycles
    durations = effective_durations([each["duration"] for each in phases], whole=whole or 0)
    return ", then ".join(
        f"{_phase_text(phase)} for {_count_text(duration, unit=unit)}"
        for phase, duration in zip(phases, durations, strict=True)
    )


def _phase_text(phase: Mapping[str, Any]) -> str:
    return _price_text(phase["percentage_millionths"], phase["amounts_minor"], currency=phase["currency"])


def _price_text(millionths: int | None, amounts_minor: Mapping[str, int] | None, *, currency: str | None) -> str:
    if millionths is not None:
        return PERCENT.format(percentage(millionths))
    return amounts_text(amounts_minor or {}, first=currency)


def amounts_text(amounts_minor: Mapping[str, int], *, first: str | None) -> str:
    """Return an amount in each of its currencies, the main currency first."""
    currencies = sorted(amounts_minor, key=lambda each: (each != first, each))
    return " or ".join(money_text(amounts_minor[each], currency=each) for each in currencies)


def instant_text(value: datetime) -> str:
    """Return an instant to the minute, in UTC."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def day_text(value: date | None) -> str | None:
    """Return a calendar date in ISO 8601."""
    return None if value is None else value.isoformat()


def _instant_text(value: datetime | None) -> str | None:
    return None if value is None else instant_text(value)


def _duration_text(row: ListedDiscountRow) -> str | None:
    for count, unit in ((row.duration_in_months, "month"), (row.duration_in_cycles, "billing cycle")):
        if count is not None:
            return _count_text(count, unit=unit)
    return None


def _count_text(count: int, *, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _number_text(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _times_text(value: int | None) -> str | None:
    return "once" if value == 1 else None if value is None else f"{value:,} times"


def _minimum_text(row: MinimumSubtotalRow) -> str | None:
    minimum_minor, currency = row.minimum_subtotal_minor, row.minimum_subtotal_currency
    return None if minimum_minor is None or currency is None else money_text(minimum_minor, currency=currency)


def _known(figures: Mapping[str, str | None]) -> Figures:
    return {name: text for name, text in figures.items() if text is not None}
