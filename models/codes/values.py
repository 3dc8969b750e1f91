"""Convert rows of codes to values of the rules."""

from domain.code_terms import CodeRetiredReason, CodeTerms
from models.codes.row_types import CodeTermsRow


def code_terms_of(row: CodeTermsRow) -> CodeTerms:
    """Return the terms of a code."""
    return CodeTerms(
        expires_at=row.expires_at,
        maximum_redemptions=row.maximum_redemptions,
        maximum_redemptions_per_customer=row.maximum_redemptions_per_customer,
        customer=row.customer,
        retired_reason=None if row.retired_reason is None else CodeRetiredReason(row.retired_reason),
    )
