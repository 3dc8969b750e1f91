"""Rename a customer in the messages that were given up. A retry then decides the request of the pseudonym."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

from kombu.compression import compress, decompress
from sqlalchemy.orm import Session

from models.customers.erasure import ErasureRow
from models.intake.dead_letter import DeadLetterRow, dead_letters_after, replace_dead_letter
from worker.intake.shown_request import summary

JSON_TYPE = "application/json"
# kombu does not decode the texts of these "encodings".
BINARY = frozenset({"binary", "ascii-8bit"})
# They are in memory together, each with its body.
LETTERS_TOGETHER = 100


def rename_dead_letters(session: Session, *, erasure: ErasureRow, after: UUID | None) -> tuple[int, UUID | None]:
    """Rename the customer in a page of dead letters. Return how many were changed, and the last id, or None at the end.

    A body that is not JSON stays as it is.
    """
    page = dead_letters_after(session, project=erasure.project, after=after, limit=LETTERS_TOGETHER)
    changed = [values for letter in page if (values := _renamed(letter, erasure=erasure))]
    for values in changed:
        replace_dead_letter(session, **values)
    return len(changed), page[-1].id if page else None


def _renamed(letter: DeadLetterRow, *, erasure: ErasureRow) -> Mapping[str, Any] | None:
    if letter.content_type != JSON_TYPE:
        return None
    compression = letter.headers.get("compression")
    encoding = "utf-8" if letter.content_encoding in BINARY else letter.content_encoding
    try:
        plain = decompress(letter.body, compression) if compression else letter.body
        content = json.loads(plain.decode(encoding))
    except (ValueError, LookupError, OSError, RecursionError):
        return None
    renamed = _with_pseudonym(content, erasure=erasure)
    if renamed == content:
        return None
    text = json.dumps(renamed).encode(encoding)
    body = compress(text, compression)[0] if compression else text
    shown = {"argsrepr": "()", "kwargsrepr": summary(renamed[1] if isinstance(renamed, list) else None)}
    return {
        "letter": letter,
        "body": body,
        "digest": sha256(body).digest(),
        "headers": {**letter.headers, **shown},
    }


def _with_pseudonym(value: Any, *, erasure: ErasureRow) -> Any:
    match value:
        case dict():
            return {
                name: erasure.pseudonym
                if name == "customer" and each == erasure.customer
                else _with_pseudonym(each, erasure=erasure)
                for name, each in value.items()
            }
        case list():
            return [_with_pseudonym(each, erasure=erasure) for each in value]
        case _:
            return value
