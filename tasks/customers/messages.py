"""The request to erase a customer."""

from tasks.wire.fields import ExternalId
from tasks.wire.message import SignedMessage


class EraseCustomer(SignedMessage):
    """The request of `customers.erase`."""

    project: ExternalId
    customer: ExternalId
    request_id: ExternalId | None = None
