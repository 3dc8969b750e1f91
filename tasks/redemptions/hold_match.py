"""Compare redemptions with the request that a hold was made for."""

from uuid import UUID

from models.redemptions.row_types import HoldRow, RedemptionRow
from tasks.redemptions.messages import Redeem


def redemption_request_of(hold: HoldRow) -> Redeem:
    """Return the redemption that a hold was made for, as sent."""
    return Redeem.model_validate(hold.request)


def is_request_of(hold: HoldRow, *, voucher_id: UUID | None, code_id: UUID | None, fingerprint: bytes) -> bool:
    """Return whether a request under the hold's id has the body, the voucher and the code of the hold.

    The voucher and the code are compared too: since the hold, the text of the code may have gone to another code or
    another voucher, of which no place is held.
    """
    names_same = (hold.voucher_id, hold.code_id) == (voucher_id, code_id)
    return names_same and redemption_request_of(hold).fingerprint() == fingerprint


def is_redeemed_by(hold: HoldRow, redemption: RedemptionRow) -> bool:
    """Return whether a redemption under the hold's id was accepted and has the hold's body, voucher and code."""
    return redemption.reason is None and is_request_of(
        hold, voucher_id=redemption.voucher_id, code_id=redemption.code_id, fingerprint=redemption.fingerprint
    )
