"""The request for a sweep."""

from tasks.wire.message import Message


class Sweep(Message):
    """`expiry.sweep`: it works through whatever is due now, so there is nothing to say."""
