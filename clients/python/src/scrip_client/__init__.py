"""The client of Scrip, the worker that redeems vouchers and applies recurring discounts."""

from scrip_client.client import Client
from scrip_client.errors import (
    BadField,
    GivenUp,
    InvalidRequest,
    NoAnswerError,
    NotAllowed,
    NotFound,
    NotSentError,
    RequestFailed,
    ScripError,
    WrongQueue,
)
from scrip_client.remote_task import RemoteTask, Sent
from scrip_client.signing import SigningKey

__all__ = [
    "BadField",
    "Client",
    "GivenUp",
    "InvalidRequest",
    "NoAnswerError",
    "NotAllowed",
    "NotFound",
    "NotSentError",
    "RemoteTask",
    "RequestFailed",
    "ScripError",
    "Sent",
    "SigningKey",
    "WrongQueue",
]
