"""The request of the sweep."""

from tasks.wire.message import Message


class Sweep(Message):
    """`expiry.sweep`: the sweep does everything that is due, so the request has no fields."""
