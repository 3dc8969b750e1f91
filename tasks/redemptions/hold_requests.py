"""The redemption that a hold was made for: its request, and by what it is known again."""

from types import SimpleNamespace
from uuid import UUID

from models.base import StoredRow
from tasks.redemptions.messages import Redeem

# A row of the table, or the values that are about to become one.
Hold = StoredRow | SimpleNamespace


def redemption_request_of(hold: Hold) -> Redeem:
    """This function will return the redemption that was asked for, as it was sent."""
    return Redeem.model_validate(hold.request)


def is_request_of(hold: Hold, *, voucher_id: UUID | None, code_id: UUID | None, fingerprint: bytes) -> bool:
    """This function will tell whether a request under the hold's id is the hold's own, with its body.

    A code may name another voucher by now, and a text another code: their places are not what was held.
    """
    is_of_same = (hold.voucher_id, hold.code_id) == (voucher_id, code_id)
    return is_of_same and redemption_request_of(hold).fingerprint() == fingerprint


def is_redeemed_by(hold: Hold, redemption: StoredRow | SimpleNamespace) -> bool:
    """This function will tell whether what was decided under the hold's id is its redemption."""
    return redemption.reason is None and is_request_of(
        hold, voucher_id=redemption.voucher_id, code_id=redemption.code_id, fingerprint=redemption.fingerprint
    )
