"""Sign messages, for servers that take only signed ones. The format is that of Scrip's page on security."""

from __future__ import annotations

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from time import time
from typing import Any

HEADER = "scrip-signature"
PURPOSE = "scrip-signature-v1"
HMAC, ED25519 = "hmac-sha256", "ed25519"


@dataclass(frozen=True)
class SigningKey:
    """A key that signs messages: its id, its secret in base64, and `hmac-sha256` or `ed25519`.

    Raises ValueError if the algorithm is another. Ed25519 needs the package `cryptography`.
    """

    id: str
    secret: str = field(repr=False)
    algorithm: str = HMAC

    def __post_init__(self) -> None:
        """Check the algorithm."""
        if self.algorithm not in (HMAC, ED25519):
            raise ValueError(f"the algorithm must be {HMAC} or {ED25519}")

    def sign(self, headers: Mapping[str, Any], body: bytes, *, queue: str) -> str:
        """Return the value of the header `scrip-signature` for a message with these headers and this body."""
        hard, soft = headers.get("timelimit") or (None, None)
        issued = str(int(time()))
        fields = (
            PURPOSE,
            self.id,
            self.algorithm,
            issued,
            str(headers["task"]),
            str(headers["id"]),
            queue,
            headers.get("eta") or "",
            headers.get("expires") or "",
            f"{hard or ''}/{soft or ''}",
            str(headers.get("retries") or 0),
            str(bool(headers.get("ignore_result"))).lower(),
            sha256(body).hexdigest(),
        )
        statement = b"".join(b"%d:%b," % (len(each), each) for each in (part.encode() for part in fields))
        value = urlsafe_b64encode(self._signature(statement)).decode().rstrip("=")
        return f"v1;{self.id};{self.algorithm};{issued};{value}"

    def _signature(self, statement: bytes) -> bytes:
        secret = b64decode(self.secret)
        if self.algorithm == HMAC:
            return hmac.new(secret, statement, sha256).digest()
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(secret).sign(statement)
