"""The request to erase a customer."""

from tasks.wire.fields import ExternalId
from tasks.wire.message import SignedMessage


class EraseCustomer(SignedMessage):
    """The request of `customers.erase`. It has no request id, under which the customer's id would be kept."""

    project: ExternalId
    customer: ExternalId
