"""Generating codes: chunk by chunk, each its own transaction, so that whatever interrupts it, it goes on from there."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from domain.code_pattern import CodePattern
from models.base import StoredRow, new_id, read_clock
from models.codes.generation import (
    add_drawn_codes,
    add_generation,
    count_generated,
    count_held,
    find_generation,
    lock_generation,
)
from models.vouchers.look_up import find_voucher, lock_vouchers
from tasks.codes.limits import limit_problems
from tasks.codes.messages import TOO_FEW_CODES, GenerateCodes
from tasks.codes.random_codes import draw_codes
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.fields import type_id
from tasks.wire.replay import write_key
from tasks.wire.task import contract_task, delivery_id
from worker.app import app
from worker.database import run_in_transaction

# One transaction takes a fraction of a second, and holds up redemptions of the voucher no longer than that.
CHUNK_SIZE = 10_000
# So many codes of a pattern are drawn at least: a crowded one is noticed, and the last code is found in one go.
DRAWN_MIN = 1_000

Report = Callable[[StoredRow], None]


@contract_task("vouchers.generate_codes", message=GenerateCodes)
def generate(request: GenerateCodes) -> Answer:
    """This task will generate up to a million codes for a voucher, and say in its state how far it is."""
    return generate_codes(request, task_id=delivery_id(), report=report_progress)


def generate_codes(
    request: GenerateCodes, *, report: Report, task_id: str | None = None, chunk_size: int = CHUNK_SIZE
) -> Answer:
    """This function will generate the codes once for each request id or task, and report after each chunk.

    Whoever calls it again goes on where the last one stopped, also while that one is still at work.
    Raises NotFound where there is no such voucher, and InvalidRequest where the limits exceed the voucher's or the
    pattern has too few codes that nobody holds; nothing is written then.
    """
    generation = run_in_transaction(lambda session: begin_generation(session, request, task_id=task_id))
    if generation.fingerprint != request.fingerprint():
        return conflict_answer("codeGeneration", project=request.project, request_id=request.request_id)
    chunk = partial(add_chunk, request=request, generation_id=generation.id, size=chunk_size)
    while generation.generated < generation.count:
        generation = run_in_transaction(chunk)
        report(generation)
    return _answer(generation)


def begin_generation(session: Session, request: GenerateCodes, *, task_id: str | None) -> StoredRow:
    """This function will return what there is of the generation already, or begin it."""
    lock_vouchers(session, keys=[(request.project, request.voucher)])
    key = write_key(request, delivery=task_id)
    stored = key and find_generation(session, project=request.project, key=key)
    if stored:
        return stored
    _check(session, request)
    values = {
        "project": request.project,
        "id": new_id(),
        "voucher_id": request.voucher,
        "key": key,
        "fingerprint": request.fingerprint(),
        "parameters": request.model_dump(mode="json", by_alias=True, exclude={"project", "voucher", "request_id"}),
        "count": request.count,
        "created_at": read_clock(session),
    }
    return add_generation(session, values=values)


def add_chunk(session: Session, *, request: GenerateCodes, generation_id: UUID, size: int) -> StoredRow:
    """This function will generate at most so many of the codes that are missing, and count them.

    Raises InvalidRequest where others have used up the pattern meanwhile.
    """
    lock_vouchers(session, keys=[(request.project, request.voucher)])
    generation = lock_generation(session, project=request.project, id=generation_id)
    wanted = min(size, generation.count - generation.generated)
    if wanted == 0:
        return generation
    now = read_clock(session)
    added = add_drawn_codes(
        session,
        codes=draw_codes(_pattern_of(request), count=max(wanted, DRAWN_MIN)),
        wanted=wanted,
        shared={
            "project": request.project,
            "voucher_id": request.voucher,
            "created_at": now,
            "maximum_redemptions": request.maximum_redemptions,
            "expires_at": request.expires_at,
            "customer": request.customer,
            "generation_id": generation_id,
        },
    )
    if added == 0:
        raise InvalidRequest([{"field": "count", "message": TOO_FEW_CODES}])
    return count_generated(session, project=request.project, id=generation_id, added=added, now=now)


def report_progress(generation: StoredRow) -> None:
    """This function will put how far a generation is into the state of the task that runs, if that can be reached."""
    task = app.current_worker_task
    if task is None:
        return
    # The codes are in the database: a result backend that is away must not end the task before the last of them.
    with suppress(RedisError, OperationalError):
        task.update_state(state="PROGRESS", meta={"generated": generation.generated, "count": generation.count})


def _check(session: Session, request: GenerateCodes) -> None:
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    errors = [{"field": name, "message": message} for name, message in limit_problems(request, voucher=voucher)]
    pattern = _pattern_of(request)
    sample = draw_codes(pattern, count=DRAWN_MIN)
    taken = count_held(session, project=request.project, codes=sample)
    if not pattern.can_yield(request.count, taken=taken, of=len(sample)):
        errors.append({"field": "count", "message": TOO_FEW_CODES})
    if errors:
        raise InvalidRequest(errors)


def _pattern_of(request: GenerateCodes) -> CodePattern:
    return CodePattern(prefix=request.prefix, alphabet=request.alphabet, length=request.length)


def _answer(generation: StoredRow) -> dict[str, Any]:
    return {
        "object": "codeGeneration",
        "id": type_id("gen", generation.id),
        "project": generation.project,
        "voucher": type_id("vou", generation.voucher_id),
        "count": generation.count,
        "generated": generation.generated,
        "status": "completed",
    }
