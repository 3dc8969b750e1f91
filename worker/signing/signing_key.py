"""The file with a key that signs: Scrip's own."""

from functools import cached_property
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from worker.signing.keys import ED25519_BYTES, SECRET_BYTES_MIN, Algorithm, PrivateKey, Secret
from worker.signing.secret_file import Base64, FileModel, read_secret_file
from worker.signing.signers import KeyId
from worker.signing.statement import Claim, Signature, statement, written_header


class SigningKey(FileModel):
    """A key that signs, as the file has it."""

    id: KeyId
    algorithm: Algorithm
    # The private key of Ed25519, or the secret of HMAC-SHA-256.
    secret: Base64

    @model_validator(mode="after")
    def _is_a_key(self) -> Self:
        try:
            self._key  # noqa: B018 - reads the key
        except ValueError:
            text = f"secret must have {ED25519_BYTES} bytes for ed25519, and {SECRET_BYTES_MIN} or more for hmac-sha256"
            raise PydanticCustomError("key", "{text}", {"text": text}) from None
        return self

    @cached_property
    def _key(self) -> PrivateKey | Secret:
        return PrivateKey(self.secret) if self.algorithm is Algorithm.ED25519 else Secret(self.secret)

    def header(self, claim: Claim, *, issued: int) -> str:
        """Return the header that signs a message, at an instant in seconds since 1970.

        Raises ValueError if the message has a header of a kind that no signature is over.
        """
        signed = statement(claim, key=self.id, algorithm=self.algorithm, issued=issued)
        if signed is None:
            raise ValueError("the headers of the message cannot be signed")
        return written_header(Signature(self.id, self.algorithm, issued, self._key.sign(signed)))

    def __repr__(self) -> str:
        return f"{self.id}(…)"


def read_signing_key(path: str) -> SigningKey:
    """Return the key of a file. Raises UnusableFileError if the file cannot be used."""
    return read_secret_file(path, SigningKey)
