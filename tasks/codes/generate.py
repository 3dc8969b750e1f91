"""Generate codes in chunks. Each chunk is a transaction, so an interrupted generation continues with the next chunk."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from uuid import UUID

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from domain.code_pattern import CodePattern
from domain.voucher_change import VoucherChangeKind
from models.base import new_id, read_clock
from models.codes.generation import (
    add_drawn_codes,
    add_generation,
    count_generated,
    count_taken,
    find_generation,
    lock_generation,
)
from models.codes.row_types import GenerationRow
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_voucher, lock_vouchers
from tasks.codes.answers import generation_answer
from tasks.codes.limits import limit_errors
from tasks.codes.messages import TOO_FEW_CODES, GenerateCodes
from tasks.codes.random_codes import draw_codes
from tasks.intake.task import contract_task, delivery_id
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import InvalidRequest, found
from tasks.wire.replay import AnswerTable, write_key
from worker.database import run_in_transaction
from worker.intake.current_message import report_state

# The transaction of a chunk takes a fraction of a second. Redemptions of the voucher wait no longer than that.
CHUNK_SIZE = 10_000
# At least as many codes are drawn. They show how crowded a pattern is, and a single draw finds the last few codes.
DRAWN_MIN = 1_000

Report = Callable[[GenerationRow], None]


@contract_task("vouchers.generate_codes", message=GenerateCodes, first_answer=AnswerTable.CODE_GENERATIONS)
def generate(request: GenerateCodes) -> Answer:
    """Generate up to a million codes for a voucher, and report the progress in the state of the task."""
    return generate_codes(request, delivery=delivery_id(), report=report_progress)


def generate_codes(
    request: GenerateCodes, *, report: Report, delivery: str | None = None, chunk_size: int = CHUNK_SIZE
) -> Answer:
    """Generate codes once for each request id or delivery, and report after each chunk.

    Another call with the same id continues the generation, even while the first call is still running.
    Raises NotFound if the voucher does not exist. Raises InvalidRequest, before anything is written, if a limit exceeds
    the voucher's or the pattern has too few free codes.
    """
    generation = run_in_transaction(lambda session: begin_generation(session, request, delivery=delivery))
    if generation.fingerprint != request.fingerprint():
        return conflict_answer("codeGeneration", project=request.project, request_id=request.request_id)
    chunk = partial(add_chunk, request=request, generation_id=generation.id, size=chunk_size)
    while generation.generated < generation.requested:
        generation = run_in_transaction(chunk)
        report(generation)
    return generation_answer(generation)


def begin_generation(session: Session, request: GenerateCodes, *, delivery: str | None) -> GenerationRow:
    """Return the stored generation of the request, or insert it."""
    lock_vouchers(session, keys=[(request.project, request.voucher)])
    key = write_key(request, delivery=delivery)
    stored = key and find_generation(session, project=request.project, key=key)
    if stored:
        return stored
    _check(session, request)
    id_, now = new_id(), read_clock(session)
    values = {
        "project": request.project,
        "id": id_,
        "voucher_id": request.voucher,
        "key": key,
        "fingerprint": request.fingerprint(),
        "parameters": request.model_dump(
            mode="json", by_alias=True, exclude={"project", "voucher", "request_id", "actor"}
        ),
        "count": request.count,
        "created_at": now,
    }
    generation = add_generation(session, values=values)
    change = NewChange(
        project=request.project,
        voucher_id=request.voucher,
        kind=VoucherChangeKind.CODES_GENERATED,
        actor=request.actor,
        created_at=now,
        codes=request.count,
        generation_id=id_,
    )
    add_changes(session, change)
    return generation


def add_chunk(session: Session, *, request: GenerateCodes, generation_id: UUID, size: int) -> GenerationRow:
    """Generate at most `size` of the missing codes, and count them.

    Raises InvalidRequest if other requests have used up the pattern since the first chunk.
    """
    lock_vouchers(session, keys=[(request.project, request.voucher)])
    generation = lock_generation(session, project=request.project, id=generation_id)
    wanted = min(size, generation.requested - generation.generated)
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
            "maximum_redemptions_per_customer": request.maximum_redemptions_per_customer,
            "expires_at": request.expires_at,
            "customer": request.customer,
            "generation_id": generation_id,
        },
    )
    if added == 0:
        raise InvalidRequest([{"field": "count", "message": TOO_FEW_CODES}])
    return count_generated(session, project=request.project, id=generation_id, added=added, now=now)


def report_progress(generation: GenerationRow) -> None:
    """Put the progress of a generation into the state of its task, if the result backend can be reached."""
    # The codes are in the database. If the result backend is away, the task must still generate the rest.
    with suppress(RedisError, OperationalError):
        report_state("PROGRESS", {"generated": generation.generated, "count": generation.requested})


def _check(session: Session, request: GenerateCodes) -> None:
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    errors = [{"field": name, "message": message} for name, message in limit_errors(request, voucher=voucher)]
    pattern = _pattern_of(request)
    sample = draw_codes(pattern, count=DRAWN_MIN)
    taken = count_taken(session, project=request.project, codes=sample)
    if not pattern.can_yield(request.count, taken_in_sample=taken, sample_size=len(sample)):
        errors.append({"field": "count", "message": TOO_FEW_CODES})
    if errors:
        raise InvalidRequest(errors)


def _pattern_of(request: GenerateCodes) -> CodePattern:
    return CodePattern(prefix=request.prefix, alphabet=request.alphabet, length=request.length)
