"""The proof that a message comes from a key which may send it, if the settings ask for signatures.

The main process notes what a message says of itself when it arrives, and a child verifies it: a signature of Ed25519
takes longer than all else that the main process does for a message. Only messages that would wait until they are due
are verified on arrival too, and all messages in pools whose children are not processes.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from celery.signals import celeryd_init
from kombu import Message

from worker.broker.due_times import instant_of
from worker.intake.envelope import headers_of
from worker.intake.named_projects import projects_in
from worker.own_signature import problem_of_own_key
from worker.queues import UNNAMED_QUEUE, queue_of
from worker.settings import settings
from worker.signing.secret_file import UnusableFileError
from worker.signing.signers import Signer, SignersFile
from worker.signing.statement import SIGNED_HEADERS, Claim, claim_of
from worker.signing.verification import VerificationFailure, verification_failure

# The place of the claim in a message's delivery information. What a sender has written there is overwritten.
CLAIM = "scrip-claim"
ETA = SIGNED_HEADERS.index("eta")
Signers = Mapping[str, Signer] | None


@celeryd_init.connect(weak=False)
def check_signers(**_: Any) -> None:
    """End the worker before its start if there is a file of signers that cannot be used."""
    path = settings().signers_file
    if path is not None:
        try:
            _signers_file(path)
        except UnusableFileError as error:
            raise SystemExit(f"scrip: SCRIP_SIGNERS_FILE cannot be used: {error}") from None


def require_own_key() -> None:
    """End the worker if messages must be signed, and it cannot sign those that Celery publishes again."""
    if is_required() and (problem := problem_of_own_key()):
        raise SystemExit(f"scrip: a worker whose children are not processes publishes messages again: {problem}")


def is_required() -> bool:
    """Return whether messages must be signed."""
    return settings().signers_file is not None


def look_at_signers() -> None:
    """Read the file of signers again if it has changed: a child that is forked later knows the last valid one."""
    signers_in_force()


def note_claim(message: Message) -> None:
    """Note what a message says of itself, before anything of it is changed."""
    information = message.delivery_info
    queue = information.get("routing_key")
    information[CLAIM] = claim_of(
        headers=message.headers,
        fields=headers_of(message),
        # kombu's own transport passes on what the sender has written there.
        queue=queue if isinstance(queue, str) else "",
        body=message.body,
        encoding=message.content_encoding,
    )


def noted_claim(message: Message) -> Claim | None:
    """Return what a message says of itself, or None if messages need not be signed."""
    return message.delivery_info[CLAIM] if is_required() else None


def signed_headers(message: Message) -> dict[str, Any]:
    """Return the headers that a signature is over as the message had them, for a copy of it."""
    claim = noted_claim(message)
    return dict(zip(SIGNED_HEADERS, claim.options, strict=True)) if claim and "task" in message.headers else {}


def failure_on_arrival(message: Message, *, is_verified_by_child: bool) -> VerificationFailure | None:
    """Verify a message as it arrives, and return why that fails, or None.

    A message that a child will verify is not verified here, unless it would have to wait first.
    """
    claim = noted_claim(message)
    if claim is None or (is_verified_by_child and claim.options[ETA] is None):
        return None
    body = message.payload
    kwargs = body[1] if isinstance(body, list) else body["kwargs"]
    return failure_by(claim, kwargs=kwargs, signers=signers_in_force())


def signers_in_force() -> Signers:
    """Return the signers by the ids of their keys, or None if messages need not be signed."""
    path = settings().signers_file
    return None if path is None else _signers_file(path).current()


def failure_by(claim: Claim, *, kwargs: object, signers: Signers) -> VerificationFailure | None:
    """Verify a message with those keyword arguments by the keys of the signers, and return why that fails, or None."""
    if signers is None:
        return None
    projects, due = projects_in(kwargs, task=claim.task), instant_of(claim.options[ETA])
    age_seconds_max = settings().signature_age_max_seconds
    failure = verification_failure(claim, projects=projects, due=due, signers=signers, age_seconds_max=age_seconds_max)
    if failure is VerificationFailure.FORGED and claim.queue == queue_of(claim.task):
        # Its sender may have named no queue. If it has waited on RabbitMQ, it comes by the queue of its task now.
        by_none = claim._replace(queue=UNNAMED_QUEUE)
        return verification_failure(
            by_none, projects=projects, due=due, signers=signers, age_seconds_max=age_seconds_max
        )
    return failure


@cache
def _signers_file(path: str) -> SignersFile:
    return SignersFile(path)
