"""Decide whether a message is that of a key which may send it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from time import time

from worker.signing.signers import Signer
from worker.signing.statement import Claim, Signature, read_header, statement

# The clocks of senders and workers differ by less.
AHEAD_SECONDS_MAX = 300


class Refusal(StrEnum):
    """The reasons why a message is refused, in the order of their precedence."""

    UNSIGNED = "unsigned"
    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown_key"
    WRONG_ALGORITHM = "wrong_algorithm"
    FORGED = "forged"
    KEY_ENDED = "key_ended"
    FROM_THE_FUTURE = "from_the_future"
    TOO_OLD = "too_old"
    TASK_NOT_ALLOWED = "task_not_allowed"
    PROJECT_NOT_ALLOWED = "project_not_allowed"


SENTENCES = {
    Refusal.UNSIGNED: "the message is not signed",
    Refusal.UNREADABLE: "its signature or its headers are not as docs/security.md says",
    Refusal.UNKNOWN_KEY: "its key is not known",
    Refusal.WRONG_ALGORITHM: "its key has another algorithm",
    Refusal.FORGED: "its signature is not that of this message in this queue",
    Refusal.KEY_ENDED: "its key has ended",
    Refusal.FROM_THE_FUTURE: "it was signed in the future",
    Refusal.TOO_OLD: "it was signed too long ago",
    Refusal.TASK_NOT_ALLOWED: "its key may not send this task",
    Refusal.PROJECT_NOT_ALLOWED: "its key may not send requests of this project",
}


class NotAllowed(PermissionError):
    """The message is not signed by a key that may send it. The text says why, and shows no key."""


def not_allowed(task: str, refusal: Refusal) -> NotAllowed:
    """Return the error that the caller of a refused message gets."""
    return NotAllowed(f"{task} was refused, and nothing was done: {SENTENCES[refusal]}")


def refusal_of(
    claim: Claim,
    *,
    projects: Collection[str],
    due: float | None,
    signers: Mapping[str, Signer],
    age_seconds_max: float,
) -> Refusal | None:
    """Return the reason why a message is refused, or None if it is that of a key which may send it.

    `projects` are those that its request names. `due` is the instant of its eta in seconds since 1970, or None.
    """
    if claim.header is None:
        return Refusal.UNSIGNED
    signature = read_header(claim.header)
    if signature is None or not claim.is_plain:
        return Refusal.UNREADABLE
    signer = signers.get(signature.key)
    return (
        Refusal.UNKNOWN_KEY
        if signer is None
        else _refusal_by_signature(claim, signature, signer)
        or _refusal_by_time(signature, signer, due=due, age_seconds_max=age_seconds_max)
        or _refusal_by_rights(claim, signer, projects=projects)
    )


def _refusal_by_signature(claim: Claim, signature: Signature, signer: Signer) -> Refusal | None:
    # The file decides by which algorithm a key is used, and never the sender.
    if signature.algorithm != signer.algorithm:
        return Refusal.WRONG_ALGORITHM
    signed = statement(claim, key=signer.id, algorithm=signer.algorithm, issued=signature.issued)
    if signed is None:
        return Refusal.UNREADABLE
    return None if signer.key.accepts(signature.value, signed) else Refusal.FORGED


def _refusal_by_time(
    signature: Signature, signer: Signer, *, due: float | None, age_seconds_max: float
) -> Refusal | None:
    now = time()
    if signer.has_ended(now):
        return Refusal.KEY_ENDED
    if signature.issued > now + AHEAD_SECONDS_MAX:
        return Refusal.FROM_THE_FUTURE
    return Refusal.TOO_OLD if now > max(signature.issued, due or 0) + age_seconds_max else None


def _refusal_by_rights(claim: Claim, signer: Signer, *, projects: Collection[str]) -> Refusal | None:
    if claim.task not in signer.allowed_tasks:
        return Refusal.TASK_NOT_ALLOWED
    return None if signer.may_concern(projects) else Refusal.PROJECT_NOT_ALLOWED
