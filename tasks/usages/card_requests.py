"""The request ids under which completed stamp cards are redeemed."""

import hashlib
from uuid import UUID

from pydantic_core import to_json


def card_request_id(voucher: UUID, customer: str, ref: str) -> str:
    """Return the request id under which a completed card is redeemed.

    The id has the SHA-256 of the voucher, the customer and the reference. So the caller can compute the id, and can
    retrieve the redemption by it, however long the reference is.
    """
    return f"usage-{hashlib.sha256(to_json([str(voucher), customer, ref])).hexdigest()}"
