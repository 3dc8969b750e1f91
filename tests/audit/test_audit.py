"""The audit: every group of checks has tests."""

from tasks.audit.audit import CHECKS
from tasks.audit.caps import CAP_CHECKS
from tasks.audit.codes import CODE_CHECKS
from tasks.audit.copied_terms import COPIED_TERM_CHECKS
from tasks.audit.discount_changes import DISCOUNT_CHANGE_CHECKS
from tasks.audit.discounts import DISCOUNT_CHECKS
from tasks.audit.exclusive_discounts import EXCLUSIVE_CHECKS
from tasks.audit.holds import HOLD_CHECKS
from tasks.audit.imported import IMPORTED_CHECKS
from tasks.audit.ramps import RAMP_CHECKS
from tasks.audit.redemptions import REDEMPTION_CHECKS
from tasks.audit.returned_places import RETURNED_PLACE_CHECKS
from tasks.audit.reversals import REVERSAL_CHECKS
from tasks.audit.usage_records import USAGE_RECORD_CHECKS
from tasks.audit.voucher_changes import VOUCHER_CHANGE_CHECKS

# Each group's test module makes every check of the group fail.
TESTED = (
    CAP_CHECKS,
    CODE_CHECKS,
    COPIED_TERM_CHECKS,
    DISCOUNT_CHANGE_CHECKS,
    DISCOUNT_CHECKS,
    EXCLUSIVE_CHECKS,
    HOLD_CHECKS,
    RAMP_CHECKS,
    IMPORTED_CHECKS,
    REDEMPTION_CHECKS,
    RETURNED_PLACE_CHECKS,
    REVERSAL_CHECKS,
    USAGE_RECORD_CHECKS,
    VOUCHER_CHANGE_CHECKS,
)


def test_no_check_is_without_a_test_and_none_has_the_name_of_another():
    """A new group of checks has to be added here, and its checks are broken in the module of the group."""
    assert set(CHECKS) == {check for group in TESTED for check in group}
    assert len(CHECKS) == sum(map(len, TESTED))
