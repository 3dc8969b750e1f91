"""Decide whether a message is that of a key which may send it."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from time import time

from worker.signing.signers import Signer
from worker.signing.statement import Claim, Signature, read_header, statement

# The clocks of senders and workers differ by less.
AHEAD_SECONDS_MAX = 300


class VerificationFailure(StrEnum):
    """The reasons why the verification of a message fails, in the order of their precedence."""

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
    VerificationFailure.UNSIGNED: "the message is not signed",
    VerificationFailure.UNREADABLE: "its signature or its headers are not as docs/security.md says",
    VerificationFailure.UNKNOWN_KEY: "its key is not known",
    VerificationFailure.WRONG_ALGORITHM: "its key has another algorithm",
    VerificationFailure.FORGED: "its signature is not that of this message in this queue",
    VerificationFailure.KEY_ENDED: "its key has ended",
    VerificationFailure.FROM_THE_FUTURE: "it was signed in the future",
    VerificationFailure.TOO_OLD: "it was signed too long ago",
    VerificationFailure.TASK_NOT_ALLOWED: "its key may not send this task",
    VerificationFailure.PROJECT_NOT_ALLOWED: "its key may not send requests of this project",
}


class NotAllowed(PermissionError):
    """The message is not signed by a key that may send it. The text says why, and shows no key."""


def not_allowed(task: str, failure: VerificationFailure) -> NotAllowed:
    """Return the error that the caller of a refused message gets."""
    return NotAllowed(f"{task} was refused, and nothing was done: {SENTENCES[failure]}")


def verification_failure(
    claim: Claim,
    *,
    projects: Collection[str],
    due: float | None,
    signers: Mapping[str, Signer],
    age_seconds_max: float,
) -> VerificationFailure | None:
    """Return why a message is not that of a key which may send it, or None if it is.

    `projects` are those that its request names. `due` is the instant of its eta in seconds since 1970, or None.
    """
    if claim.header is None:
        return VerificationFailure.UNSIGNED
    signature = read_header(claim.header)
    if signature is None or not claim.is_plain:
        return VerificationFailure.UNREADABLE
    signer = signers.get(signature.key)
    return (
        VerificationFailure.UNKNOWN_KEY
        if signer is None
        else _signature_failure(claim, signature, signer)
        or _time_failure(signature, signer, due=due, age_seconds_max=age_seconds_max)
        or _rights_failure(claim, signer, projects=projects)
    )


def _signature_failure(claim: Claim, signature: Signature, signer: Signer) -> VerificationFailure | None:
    # The file decides by which algorithm a key is used, and never the sender.
    if signature.algorithm != signer.algorithm:
        return VerificationFailure.WRONG_ALGORITHM
    signed = statement(claim, key=signer.id, algorithm=signer.algorithm, issued=signature.issued)
    if signed is None:
        return VerificationFailure.UNREADABLE
    return None if signer.key.accepts(signature.value, signed) else VerificationFailure.FORGED


def _time_failure(
    signature: Signature, signer: Signer, *, due: float | None, age_seconds_max: float
) -> VerificationFailure | None:
    now = time()
    if signer.has_ended(now):
        return VerificationFailure.KEY_ENDED
    if signature.issued > now + AHEAD_SECONDS_MAX:
        return VerificationFailure.FROM_THE_FUTURE
    return VerificationFailure.TOO_OLD if now > max(signature.issued, due or 0) + age_seconds_max else None


def _rights_failure(claim: Claim, signer: Signer, *, projects: Collection[str]) -> VerificationFailure | None:
    if claim.task not in signer.allowed_tasks:
        return VerificationFailure.TASK_NOT_ALLOWED
    return None if signer.may_concern(projects) else VerificationFailure.PROJECT_NOT_ALLOWED
