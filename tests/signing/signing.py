"""Keys, files of keys, and signatures as docs/security.md describes them, written without Scrip's own code."""

import hmac
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from time import time
from typing import Any

from celery.signals import before_task_publish
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kombu.serialization import dumps

HEADER = "scrip-signature"
ED25519, HMAC = "ed25519", "hmac-sha256"


class Key:
    """A key of a sender, with what it may send."""

    def __init__(self, name: str, algorithm: str = HMAC, **rights: Any) -> None:
        """Draw a key. Without other rights, it may send every task for the project gigs, for ever."""
        self.name, self.algorithm = name, algorithm
        self.raw = token_bytes(32)
        self.rights = {"projects": ["gigs"], "tasks": ["*"], "ends": None, **rights}

    @property
    def public(self) -> bytes:
        """The public key of Ed25519."""
        return Ed25519PrivateKey.from_private_bytes(self.raw).public_key().public_bytes_raw()

    def entry(self) -> dict[str, Any]:
        """Return the key as the file of signers has it."""
        part = {"publicKey": text(self.public)} if self.algorithm == ED25519 else {"secret": text(self.raw)}
        return {"id": self.name, "algorithm": self.algorithm, **part, **self.rights}

    def own(self) -> dict[str, Any]:
        """Return the key as the file of Scrip's own key has it."""
        return {"id": self.name, "algorithm": self.algorithm, "secret": text(self.raw)}

    def sign(self, statement: bytes) -> bytes:
        """Return the signature of a statement."""
        if self.algorithm == ED25519:
            return Ed25519PrivateKey.from_private_bytes(self.raw).sign(statement)
        return hmac.digest(self.raw, statement, "sha256")

    def header(
        self, *, fields: Mapping[str, Any], queue: str, body: bytes, issued: int | None = None, **said: str
    ) -> str:
        """Return the header that signs a message now. The sender may say another key or algorithm."""
        issued = int(time()) if issued is None else issued
        name, algorithm = said.get("name", self.name), said.get("algorithm", self.algorithm)
        signed = statement(name, algorithm, issued=issued, fields=fields, queue=queue, body=body)
        value = urlsafe_b64encode(self.sign(signed)).decode().rstrip("=")
        return f"v1;{name};{algorithm};{issued};{value}"


def text(raw: bytes) -> str:
    """Return bytes in base64."""
    return b64encode(raw).decode()


def statement(name: str, algorithm: str, *, issued: int, fields: Mapping[str, Any], queue: str, body: bytes) -> bytes:
    """Return what a signature is over."""
    hard, soft = fields.get("timelimit") or (None, None)
    parts = ["scrip-signature-v1", name, algorithm, str(issued), fields["task"], fields["id"], queue]
    parts += [fields.get("eta") or "", fields.get("expires") or "", f"{hard or ''}/{soft or ''}"]
    parts += [str(fields.get("retries") or 0), str(bool(fields.get("ignore_result"))).lower(), sha256(body).hexdigest()]
    return b"".join(b"%d:%b," % (len(each.encode()), each.encode()) for each in parts)


def write_signers(path: Path, *keys: Key) -> Path:
    """Write a file of signers as a whole, in the place of the one before."""
    return write_secret(path, {"keys": [each.entry() for each in keys]})


def write_secret(path: Path, value: object, *, mode: int = 0o600) -> Path:
    """Write a file of keys with a mode, in the place of the one before."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(value if isinstance(value, str) else json.dumps(value))
    new.chmod(mode)
    return new.replace(path)


class SigningSender:
    """Signs whatever one app of this process sends by Celery, while the context lasts."""

    def __init__(self, key: Key) -> None:
        self.key = key

    def __enter__(self) -> None:
        before_task_publish.connect(self.sign, weak=False)

    def __exit__(self, *_: object) -> None:
        before_task_publish.disconnect(self.sign)

    def sign(self, *, body: Any, headers: dict[str, Any], routing_key: str, **_: object) -> None:
        """Add the signature to a message."""
        payload = dumps(body, serializer="json")[2].encode()
        fields = headers if "task" in headers else body
        headers[HEADER] = self.key.header(fields=fields, queue=routing_key.rpartition(".")[2], body=payload)
