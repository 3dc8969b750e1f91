"""Convert a code's row to the values that the rules take."""

from domain.code import CodeRetiredReason, CodeTerms
from models.base import StoredRow


def code_terms_of(row: StoredRow) -> CodeTerms:
    """This function will return what the rules need to know of a code's row."""
    return CodeTerms(
        expires_at=row.expires_at,
        maximum_redemptions=row.maximum_redemptions,
        customer=row.customer,
        retired_reason=None if row.retired_reason is None else CodeRetiredReason(row.retired_reason),
    )
