"""The hold that a request names, behind its voucher's lock."""

from sqlalchemy.orm import Session

from domain.hold import HoldStatus
from models.base import StoredRow
from models.redemptions.hold import find_hold
from models.redemptions.redemption import find_redemptions
from models.vouchers.look_up import lock_vouchers
from tasks.redemptions.batch_vouchers import BatchVoucher
from tasks.redemptions.messages import HoldReference
from tasks.wire.errors import found

# What confirming and releasing leave as it is.
SETTLED = {HoldStatus.CONFIRMED, HoldStatus.RELEASED}


def redemption_under(session: Session, hold: StoredRow) -> StoredRow | None:
    """Return the redemption under the request id of a hold, or None."""
    key = (hold.project, hold.request_id)
    return find_redemptions(session, keys=[key]).get(key)


def lock_hold(session: Session, reference: HoldReference) -> tuple[StoredRow, BatchVoucher]:
    """Lock the voucher of the hold that a request names, and return both as they stand then. Raises NotFound."""
    hold = find_named_hold(session, reference)
    key = (hold.project, hold.voucher_id)
    voucher = lock_vouchers(session, keys=[key])[key]
    # Whoever writes a hold holds its voucher's lock: only now it stands still.
    return find_named_hold(session, reference), BatchVoucher.locked(voucher)


def find_named_hold(session: Session, reference: HoldReference) -> StoredRow:
    """Return the hold that a request names. Raises NotFound."""
    hold = find_hold(session, project=reference.project, id=reference.hold, request_id=reference.request_id)
    return found(hold, "hold")
