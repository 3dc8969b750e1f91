"""The part of a message that a child needs, from Celery's request."""

from celery.worker.request import Request

from worker.intake.arrival import wrong_queue_of
from worker.intake.delivery import Delivery
from worker.intake.envelope import original_of
from worker.intake.followers import followers_of
from worker.intake.invalid_options import noted_invalid_option
from worker.intake.proof import noted_claim
from worker.intake.spans import trace_headers_of


def delivery_of(request: Request, *, is_suspect: bool) -> Delivery:
    """Return the part of a request that a child needs.

    `is_suspect` says that the request may have killed a child.
    """
    redelivered = bool(request.delivery_info["redelivered"])
    retries = retries_of(request)
    return Delivery(
        id=request.id,
        args=request.args,
        kwargs=request.kwargs,
        retries=retries,
        redelivered=redelivered,
        wants_answer=not request.ignore_result,
        group=request.group,
        parent=request.parent_id,
        original=original_of(request.message) if is_suspect or redelivered or retries else None,
        followers=followers_of(request),
        wrong_queue=wrong_queue_of(request.delivery_info, task=request.name),
        trace=trace_headers_of(request.message.headers),
        invalid_option=noted_invalid_option(request.message.headers),
        claim=noted_claim(request.message),
        task=request.name,
    )


def retries_of(request: Request) -> int:
    """Return how often a message was published again."""
    retries: int = request.request_dict.get("retries") or 0
    return retries
