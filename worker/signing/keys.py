"""The algorithms of signatures: Ed25519, whose public key cannot sign, and HMAC-SHA-256, which is much quicker."""

import hmac
from enum import StrEnum
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519_BYTES = 32
# Of the digest: a shorter secret is easier to guess than a signature.
SECRET_BYTES_MIN = 32


class Algorithm(StrEnum):
    """The algorithms, as a header and a file of keys name them."""

    ED25519 = "ed25519"
    HMAC_SHA_256 = "hmac-sha256"


class VerifyingKey(Protocol):
    """A key that tells a signature from a forged one."""

    def accepts(self, value: bytes, statement: bytes) -> bool:
        """Return whether the value is the key's signature of the statement."""


class PublicKey:
    """The public key of Ed25519."""

    def __init__(self, raw: bytes) -> None:
        """Read the 32 bytes of a key. Raises ValueError if they are none."""
        self._key = Ed25519PublicKey.from_public_bytes(raw)

    def accepts(self, value: bytes, statement: bytes) -> bool:
        """Return whether the value is the key's signature of the statement."""
        try:
            self._key.verify(value, statement)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """The private key of Ed25519."""

    def __init__(self, raw: bytes) -> None:
        """Read the 32 bytes of a key. Raises ValueError if they are none."""
        self._key = Ed25519PrivateKey.from_private_bytes(raw)

    def sign(self, statement: bytes) -> bytes:
        """Return the signature of the statement, 64 bytes."""
        return self._key.sign(statement)


class Secret:
    """A secret that sender and worker share."""

    def __init__(self, raw: bytes) -> None:
        """Keep the secret. Raises ValueError if it is shorter than 32 bytes."""
        if len(raw) < SECRET_BYTES_MIN:
            raise ValueError(f"a secret has at least {SECRET_BYTES_MIN} bytes")
        self._secret = raw

    def accepts(self, value: bytes, statement: bytes) -> bool:
        """Return whether the value is the signature of the statement. The time does not tell how much of it is."""
        return hmac.compare_digest(value, self.sign(statement))

    def sign(self, statement: bytes) -> bytes:
        """Return the signature of the statement, 32 bytes."""
        return hmac.digest(self._secret, statement, "sha256")
