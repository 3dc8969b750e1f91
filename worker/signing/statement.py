"""The statement that a signature is over, and the header in which the signature travels.

The statement is a sequence of netstrings: each field as its length in bytes, a colon, the field and a comma. So no two
messages have the same statement. docs/security.md has the fields for senders.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

HEADER = "scrip-signature"
VERSION = "v1"
# The first field of a statement: a key that signs other things too signs nothing else that begins with this.
PURPOSE = "scrip-signature-v1"
ENCODING = "utf-8"
# Signed too, because they change what happens to a message.
SIGNED_HEADERS = ("eta", "expires", "timelimit", "retries", "ignore_result")
# A hard and a soft one.
LIMITS = 2
# JSON allows white space before a body. No client writes any.
BEGINNING_BYTES = 64
HEADER_LENGTH_MAX = 512
_HEADER = re.compile(
    r"v1;(?P<key>[A-Za-z0-9._-]{1,64});(?P<algorithm>[a-z0-9-]{1,32});(?P<issued>[0-9]{1,11});"
    r"(?P<value>[A-Za-z0-9_-]{1,128})",
    re.ASCII,
)


class Claim(NamedTuple):
    """What a message says of itself, for the check of its signature. Every value is the sender's."""

    header: Any
    task: str
    id: str
    # By which the message came.
    queue: str
    # The values of SIGNED_HEADERS.
    options: tuple[Any, ...]
    # The SHA-256 of the body, in hexadecimal digits.
    digest: str
    # The body is text in UTF-8, and the headers that name the task are the only ones that do.
    is_plain: bool

    def __repr__(self) -> str:
        return f"{self.id}(…)"


class Signature(NamedTuple):
    """A signature as a header has it."""

    key: str
    algorithm: str
    # In seconds since 1970.
    issued: int
    value: bytes


def claim_of(
    *, headers: Mapping[str, Any], fields: Mapping[str, Any], queue: str, body: bytes | str, encoding: object
) -> Claim:
    """Return the claim of a message, whose body is neither compressed nor in the transport's base64.

    `fields` describe the task: the headers, or the body in version 1 of Celery's protocol.
    """
    serialised = body.encode() if isinstance(body, str) else body
    # In Celery's hybrid of both versions, the headers would overrule a body that says something else.
    is_hybrid = "task" in headers and not serialised[:BEGINNING_BYTES].lstrip().startswith(b"[")
    return Claim(
        header=headers.get(HEADER),
        task=fields["task"],
        id=fields["id"],
        queue=queue,
        options=tuple(map(fields.get, SIGNED_HEADERS)),
        digest=sha256(serialised).hexdigest(),
        is_plain=not is_hybrid and (encoding is None or encoding == ENCODING or str(encoding).lower() == ENCODING),
    )


def read_header(header: object) -> Signature | None:
    """Return the signature of a header, or None if the header is not as a sender must write it."""
    if not isinstance(header, str) or len(header) > HEADER_LENGTH_MAX:
        return None
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    key, algorithm, issued, text = found.groups()
    try:
        value = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return Signature(key, algorithm, int(issued), value)


def written_header(signature: Signature) -> str:
    """Return the header with a signature."""
    value = urlsafe_b64encode(signature.value).decode().rstrip("=")
    return ";".join((VERSION, signature.key, signature.algorithm, str(signature.issued), value))


def statement(claim: Claim, *, key: str, algorithm: str, issued: int) -> bytes | None:
    """Return the statement that the key signs, or None if the claim has a value of a kind that none can have."""
    eta, expires, limits, retries, ignores = claim.options
    hard, soft = limits if isinstance(limits, list | tuple) and len(limits) == LIMITS else (limits, limits)
    try:
        options = _options(eta=eta, expires=expires, hard=hard, soft=soft, retries=retries, ignores=ignores)
    except TypeError:
        # A list or an object.
        return None
    if options is None:
        return None
    said, (_, task, task_id, queue, *_) = str(issued), claim
    netstrings = (
        f"{_head(key, algorithm)}{len(said)}:{said},{len(task)}:{task},{len(task_id)}:{task_id},{len(queue)}:{queue},"
        f"{options}{len(claim.digest)}:{claim.digest},"
    )
    # Of other characters, a length in bytes is not that in characters. Only the sender's own texts can have them.
    if netstrings.isascii():
        return netstrings.encode()
    try:
        middle = b"".join(_netstring(each) for each in (said, task, task_id, queue))
        return b"".join((_head(key, algorithm).encode(), middle, options.encode(), _netstring(claim.digest)))
    except UnicodeEncodeError:
        # Half a surrogate pair.
        return None


@lru_cache(maxsize=1_024)
def _head(key: str, algorithm: str) -> str:
    return b"".join(_netstring(each) for each in (PURPOSE, key, algorithm)).decode()


# By the types too: Python takes True for 1.
@lru_cache(maxsize=1_024, typed=True)
def _options(
    *, eta: object, expires: object, hard: object, soft: object, retries: object, ignores: object
) -> str | None:
    if not all(each is None or (isinstance(each, str) and each.isascii()) for each in (eta, expires)):
        return None
    if not all(each is None or type(each) is int for each in (hard, soft, retries)):
        return None
    if ignores is not None and type(ignores) is not bool:
        return None
    texts = (eta or "", expires or "", f"{hard or ''}/{soft or ''}", str(retries or 0), str(bool(ignores)).lower())
    return b"".join(_netstring(str(each)) for each in texts).decode()


def _netstring(text: str) -> bytes:
    encoded = text.encode()
    return b"%d:%b," % (len(encoded), encoded)
