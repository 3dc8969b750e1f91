"""Erase a customer in bounded transactions. An interrupted erasure goes on if the request is repeated."""

import hmac
from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from models.base import read_clock
from models.customers.erasure import ErasureRow, begin_erasure, end_erasure, fingerprint_of, is_of_customer
from models.customers.recorded import recorded_refs, recorded_vouchers, rename_card_requests, rename_recorded
from models.customers.renaming import (
    allow_renaming,
    customers_codes,
    granted_discounts,
    held_requests,
    redeemed_by_codes,
    rename_codes,
    rename_grants,
    rename_holds,
    rename_invoices,
    rename_refused,
    rename_reversals,
)
from models.customers.stored_answers import FIRST_ANSWER, rename_answers, rename_generations
from models.discounts.locks import lock_discounts_by_id
from models.redemptions.failed_attempts import forget_customer
from models.vouchers.look_up import lock_vouchers
from models.write_answer import add_answer, find_answer
from tasks.customers.dead_letters import rename_dead_letters
from tasks.customers.messages import EraseCustomer
from tasks.intake.task import contract_task, delivery_id
from tasks.usages.card_requests import card_request_id
from tasks.wire.answers import Answer, conflict_answer, instant
from tasks.wire.replay import AnswerTable, request_id_of, write_key
from worker.database import ChangedMeanwhileError, run_in_transaction

ERASE = "customers.erase"
# A transaction of so many rows takes a fraction of a second. Requests for their vouchers wait no longer than that.
ROWS_TOGETHER = 500
# Read, and nearly all left as they are.
ANSWERS_TOGETHER = 5_000
# The tasks without a row of their own whose requests have a customer.
TASKS_WITH_CUSTOMER = frozenset({"vouchers.add_codes"})

# What a step does in a transaction: it returns how many rows it changed, and whether it has to go on.
Step = Callable[[Session], tuple[int, bool]]


@contract_task(ERASE, message=EraseCustomer, first_answer=AnswerTable.WRITE_ANSWERS)
def erase(request: EraseCustomer) -> Answer:
    """Put a pseudonym in the place of a customer's id, in every row and for good."""
    return erase_customer(request, delivery=delivery_id())


def erase_customer(request: EraseCustomer, *, delivery: str | None = None, batch_size: int = ROWS_TOGETHER) -> Answer:
    """Erase a customer, and return how many rows were changed. A repeated request gets the first answer.

    Rows of requests that were decided after the beginning keep the id: they belong to a new customer.
    """
    key = write_key(request, delivery=delivery)
    begun = run_in_transaction(partial(_begin, request=request, key=key))
    if isinstance(begun, dict):
        return begun
    rows = sum(_run(step, erasure=begun) for step in _steps(begun, batch_size=batch_size))
    return run_in_transaction(partial(_end, erasure=begun, key=key, rows=rows))


def _begin(session: Session, *, request: EraseCustomer, key: str | None) -> ErasureRow | Answer:
    """Return the erasure, which may be running already, or the answer if there is one."""
    answer = _first_answer(session, request, key=key)
    if answer is not None:
        return answer
    erasure = begin_erasure(
        session,
        project=request.project,
        customer=request.customer,
        actor=request.actor,
        request_key=key,
        at=read_clock(session),
    )
    # Another copy may have ended the erasure meanwhile: this one would erase a new customer.
    if _first_answer(session, request, key=key) is not None:
        raise ChangedMeanwhileError
    return erasure


def _first_answer(session: Session, request: EraseCustomer, *, key: str | None) -> Answer | None:
    stored = None if key is None else find_answer(session, project=request.project, task=ERASE, key=key)
    if stored is None:
        return None
    is_same = is_of_customer(
        session, project=request.project, customer=request.customer, fingerprint=stored.fingerprint
    )
    answer: Answer = stored.answer
    return answer if is_same else conflict_answer("erasure", project=request.project, request_id=request.request_id)


def _end(session: Session, *, erasure: ErasureRow, key: str | None, rows: int) -> Answer:
    """End an erasure, answer each request for it, and return the answer of this one."""
    for each in end_erasure(session, of=erasure):
        add_answer(
            session,
            project=erasure.project,
            task=ERASE,
            key=each,
            fingerprint=fingerprint_of(erasure),
            answer=_answer(erasure, key=each, rows=rows),
        )
    # Another copy may have ended it.
    stored = None if key is None else find_answer(session, project=erasure.project, task=ERASE, key=key)
    return _answer(erasure, key=key, rows=rows) if stored is None else stored.answer


def _answer(erasure: ErasureRow, *, key: str | None, rows: int) -> Answer:
    return {
        "object": "erasure",
        "project": erasure.project,
        "requestId": request_id_of(key),
        "outcome": "erased",
        "reason": None,
        "rows": rows,
        "erasedAt": instant(erasure.started_at),
    }


def _run(step: Step, *, erasure: ErasureRow) -> int:
    """Run a step until it has nothing left to do, and return how many rows it changed."""

    def in_transaction(session: Session) -> tuple[int, bool]:
        # Another copy that has ended it has found nothing left.
        return step(session) if allow_renaming(session, erasure=erasure) else (0, False)

    count, goes_on = 0, True
    while goes_on:
        changed, goes_on = run_in_transaction(in_transaction)
        count += changed
    return count


def _steps(erasure: ErasureRow, *, batch_size: int) -> Iterable[Step]:
    """Yield the steps in their order.

    Codes come first: from then on, nobody can redeem the customer's own codes. A card is renamed with all of its
    stamps, and a redemption with its discount, so that an audit is clean after each transaction.
    """
    yield partial(_rename_codes, erasure=erasure, limit=batch_size)
    for voucher in run_in_transaction(partial(recorded_vouchers, erasure=erasure)):
        yield partial(_rename_usage, erasure=erasure, voucher=voucher)
    yield partial(_rename_grants, erasure=erasure, limit=batch_size)
    yield partial(_rename_holds, erasure=erasure, limit=batch_size)
    for rename in (rename_refused, rename_invoices, rename_reversals):
        yield partial(_rename_unlocked, rename=rename, erasure=erasure, limit=batch_size)
    yield partial(_forget_attempts, erasure=erasure)
    yield _StoredAnswers(erasure)
    yield lambda session: (rename_generations(session, erasure=erasure), False)
    yield _DeadLetters(erasure)


def _rename_codes(session: Session, *, erasure: ErasureRow, limit: int) -> tuple[int, bool]:
    codes = customers_codes(session, erasure=erasure, limit=limit)
    if not codes:
        return 0, False
    _lock_vouchers(session, erasure=erasure, ids=(voucher for _, voucher in codes))
    ids = [code for code, _ in codes]
    count = _rename_locked(session, erasure=erasure, ids=redeemed_by_codes(session, erasure=erasure, codes=ids))
    return count + rename_codes(session, erasure=erasure, ids=ids), True


def _rename_usage(session: Session, *, erasure: ErasureRow, voucher: UUID) -> tuple[int, bool]:
    _lock_vouchers(session, erasure=erasure, ids=[voucher])
    discounts = recorded_refs(session, erasure=erasure, voucher_id=voucher)
    if not discounts:
        return 0, False
    requests = {}
    for ref in discounts:
        old = card_request_id(voucher, erasure.customer, ref)
        requests[ref] = (old, f"usage-{hmac.digest(erasure.key, old.encode(), 'sha256').hex()}")
    count = rename_recorded(session, erasure=erasure, voucher_id=voucher, requests=requests)
    count += rename_card_requests(session, erasure=erasure, requests=requests)
    granted = [each for each in discounts.values() if each is not None]
    return count + _rename_locked(session, erasure=erasure, ids=granted), False


def _rename_grants(session: Session, *, erasure: ErasureRow, limit: int) -> tuple[int, bool]:
    granted = granted_discounts(session, erasure=erasure, limit=limit)
    if not granted:
        return 0, False
    _lock_vouchers(session, erasure=erasure, ids=(voucher for _, voucher in granted))
    return _rename_locked(session, erasure=erasure, ids=[discount for discount, _ in granted]), True


def _rename_holds(session: Session, *, erasure: ErasureRow, limit: int) -> tuple[int, bool]:
    held = held_requests(session, erasure=erasure, limit=limit)
    _lock_vouchers(session, erasure=erasure, ids=(voucher for _, voucher in held if voucher is not None))
    return rename_holds(session, erasure=erasure, requests=[request for request, _ in held]), bool(held)


def _forget_attempts(session: Session, *, erasure: ErasureRow) -> tuple[int, bool]:
    count = forget_customer(session, project=erasure.project, customer=erasure.customer, until=erasure.started_at)
    return count, False


def _rename_unlocked(
    session: Session, *, rename: Callable[..., int], erasure: ErasureRow, limit: int
) -> tuple[int, bool]:
    """Rename rows that never change otherwise, so that no lock is needed."""
    changed = rename(session, erasure=erasure, limit=limit)
    return changed, changed == limit


def _rename_locked(session: Session, *, erasure: ErasureRow, ids: Iterable[UUID]) -> int:
    discounts = lock_discounts_by_id(session, keys=[(erasure.project, each) for each in ids])
    return rename_grants(session, erasure=erasure, ids=[each.id for each in discounts])


def _lock_vouchers(session: Session, *, erasure: ErasureRow, ids: Iterable[UUID]) -> None:
    lock_vouchers(session, keys={(erasure.project, each) for each in ids})


class _StoredAnswers:
    """Reads the stored answers of the project page by page."""

    def __init__(self, erasure: ErasureRow) -> None:
        self.erasure = erasure
        self.after = FIRST_ANSWER

    def __call__(self, session: Session) -> tuple[int, bool]:
        changed, last = rename_answers(
            session, erasure=self.erasure, after=self.after, limit=ANSWERS_TOGETHER, tasks=TASKS_WITH_CUSTOMER
        )
        self.after = last or self.after
        return changed, last is not None


class _DeadLetters:
    """Reads the dead letters of the project page by page."""

    def __init__(self, erasure: ErasureRow) -> None:
        self.erasure = erasure
        self.after: UUID | None = None

    def __call__(self, session: Session) -> tuple[int, bool]:
        changed, last = rename_dead_letters(session, erasure=self.erasure, after=self.after)
        self.after = last or self.after
        return changed, last is not None
