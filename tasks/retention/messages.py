"""The request to prune."""

from tasks.wire.message import Message


class Prune(Message):
    """The request of `expiry.prune`, which has no fields."""
