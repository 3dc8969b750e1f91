"""The audit finds a voucher and a code with too many redemptions, even if the check constraint is gone."""

import pytest

from tests.support.database_between_tests import violations
from tests.support.tampering import tamper

pytestmark = pytest.mark.usefixtures("each_row")

# Only a check constraint stands behind these checks, so the test drops it.
CONSTRAINED = {"no voucher is over-redeemed": "vouchers", "no code is over-redeemed": "codes"}
# Reasons that no other check compares with anything.
REASONS = {"vouchers": "unknown", "codes": "voucherManuallyRetired"}
DROP = "ALTER TABLE {table} DROP CONSTRAINT ck_{table}_redemptions_within_maximum"
RESTORE = """
    ALTER TABLE {table} ADD CONSTRAINT ck_{table}_redemptions_within_maximum
    CHECK (redemptions - places_returned <= maximum_redemptions) NOT VALID
"""


@pytest.mark.parametrize(("check", "table"), CONSTRAINED.items())
def test_what_is_over_redeemed_is_found_even_where_the_constraint_is_gone(check, table):
    """The deciding code, the constraint and the audit are three lines of defence."""

    def tamper_with(statement: str) -> None:
        tamper(statement.format(table=table, reason=REASONS[table]))

    tamper_with(DROP)
    try:
        tamper_with("UPDATE {table} SET maximum_redemptions = 1, retired_reason = '{reason}', retired_at = now()")
        assert violations() == []
        tamper_with("UPDATE {table} SET redemptions = 2")
        assert check in {violation.check for violation in violations()}
    finally:
        tamper_with("UPDATE {table} SET maximum_redemptions = NULL, retired_reason = NULL, retired_at = NULL")
        tamper_with(RESTORE)
        tamper_with("ALTER TABLE {table} VALIDATE CONSTRAINT ck_{table}_redemptions_within_maximum")
