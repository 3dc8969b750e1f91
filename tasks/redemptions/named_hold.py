"""Find and lock the hold that a request names."""

from sqlalchemy.orm import Session

from models.redemptions.hold import find_hold
from models.redemptions.redemption import find_redemptions
from models.redemptions.row_types import AcceptedHoldRow, RedemptionRow
from models.vouchers.look_up import lock_vouchers
from tasks.redemptions.batch_vouchers import BatchVoucher
from tasks.redemptions.messages import HoldReference
from tasks.wire.errors import found


def lock_hold(session: Session, reference: HoldReference) -> tuple[AcceptedHoldRow, BatchVoucher]:
    """Lock the voucher of the hold that a request names, and return the hold and the voucher.

    Raises NotFound if there is no such hold.
    """
    hold = _find_named_hold(session, reference)
    key = (hold.project, hold.voucher_id)
    voucher = lock_vouchers(session, keys=[key])[key]
    # Read again: every writer of a hold locks the voucher first, so from now on the hold does not change.
    return _find_named_hold(session, reference), BatchVoucher.from_row(voucher)


def redemption_under(session: Session, hold: AcceptedHoldRow) -> RedemptionRow | None:
    """Return the redemption under the request id of a hold, or None."""
    key = (hold.project, hold.request_id)
    return find_redemptions(session, keys=[key]).get(key)


def _find_named_hold(session: Session, reference: HoldReference) -> AcceptedHoldRow:
    hold = find_hold(session, project=reference.project, id=reference.hold, request_id=reference.request_id)
    return found(hold, "hold")
