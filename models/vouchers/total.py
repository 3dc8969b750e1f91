"""The total of a discount, the most that it gives over its life: the amount of a balance, or its maximum in all."""

from models.vouchers.row_types import ShownTotalRow, TotalRow

# The same as `total_minor_of`, in a query on discounts or vouchers.
TOTAL_MINOR = "CASE WHEN carry_over THEN amounts_minor ELSE maximum_discount_in_all_minor END"


def total_minor_of(row: TotalRow) -> dict[str, int] | None:
    """Return the total of a discount, in minor units by currency, or None if it has none."""
    return row.amounts_minor if row.carry_over else row.maximum_discount_in_all_minor


def total_currency_of(row: ShownTotalRow) -> str | None:
    """Return the currency of a total that is shown first."""
    return row.currency if row.carry_over else row.maximum_discount_in_all_currency
