"""Erase a customer in bounded transactions. An interrupted erasure goes on if the request is repeated."""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from models.base import read_clock
from models.customers.erasure import ErasureRow, begin_erasure, drop_erasure, end_erasure
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
from tasks.customers.dead_letters import rename_dead_letters
from tasks.customers.messages import EraseCustomer
from tasks.intake.task import contract_task
from tasks.usages.card_requests import card_request_id
from tasks.wire.answers import Answer, instant
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction

# A transaction of so many rows takes a fraction of a second. Requests for their vouchers wait no longer than that.
ROWS_TOGETHER = 500
# Read, and nearly all left as they are.
ANSWERS_TOGETHER = 5_000
# The tasks without a row of their own whose requests have a customer.
TASKS_WITH_CUSTOMER = frozenset({"vouchers.add_codes"})

# What a step does in a transaction: it returns how many rows it changed, and whether it has to go on.
Step = Callable[[Session], tuple[int, bool]]


@contract_task("customers.erase", message=EraseCustomer, first_answer=AnswerTable.STATE)
def erase(request: EraseCustomer) -> Answer:
    """Put a pseudonym in the place of a customer's id, in every row and for good."""
    return erase_customer(request)


def erase_customer(request: EraseCustomer, *, batch_size: int = ROWS_TOGETHER) -> Answer:
    """Erase a customer, and return how many rows were changed. A repetition finds nothing left to change.

    Rows of requests that were decided after the beginning keep the id: they belong to a new customer.
    """
    erasure = run_in_transaction(partial(_begin, request=request))
    renamed = Counter[str]()
    for name, step in _steps(erasure, batch_size=batch_size):
        renamed[name] += _run(step, erasure=erasure)
    run_in_transaction(partial(_end, erasure=erasure, has_changed=renamed.total() > 0))
    return {
        "object": "erasure",
        "project": request.project,
        "outcome": "erased",
        "reason": None,
        "rows": renamed.total(),
        "erasedAt": instant(erasure.started_at),
    }


def _begin(session: Session, *, request: EraseCustomer) -> ErasureRow:
    return begin_erasure(
        session,
        project=request.project,
        customer=request.customer,
        actor=request.actor,
        at=read_clock(session),
    )


def _end(session: Session, *, erasure: ErasureRow, has_changed: bool) -> None:
    # Whoever went on with an erasure cannot know what was renamed before: its key must stay.
    if has_changed or not erasure.is_new:
        end_erasure(session, of=erasure)
    else:
        drop_erasure(session, of=erasure)


def _run(step: Step, *, erasure: ErasureRow) -> int:
    """Run a step until it has nothing left to do, and return how many rows it changed."""

    def in_transaction(session: Session) -> tuple[int, bool]:
        allow_renaming(session, erasure=erasure)
        return step(session)

    count, goes_on = 0, True
    while goes_on:
        changed, goes_on = run_in_transaction(in_transaction)
        count += changed
    return count


def _steps(erasure: ErasureRow, *, batch_size: int) -> Iterable[tuple[str, Step]]:
    """Yield the steps in their order.

    Codes come first: from then on, nobody can redeem the customer's own codes. A card is renamed with all of its
    stamps, and a redemption with its discount, so that an audit is clean after each transaction.
    """
    yield "codes", partial(_rename_codes, erasure=erasure, limit=batch_size)
    for voucher in run_in_transaction(partial(recorded_vouchers, erasure=erasure)):
        yield "usage", partial(_rename_usage, erasure=erasure, voucher=voucher)
    yield "grants", partial(_rename_grants, erasure=erasure, limit=batch_size)
    yield "holds", partial(_rename_holds, erasure=erasure, limit=batch_size)
    for name, rename in (("refused", rename_refused), ("invoices", rename_invoices), ("reversals", rename_reversals)):
        yield name, partial(_rename_unlocked, rename=rename, erasure=erasure, limit=batch_size)
    yield "attempts", partial(_forget_attempts, erasure=erasure)
    yield "answers", _StoredAnswers(erasure)
    yield "generations", lambda session: (rename_generations(session, erasure=erasure), False)
    yield "dead letters", _DeadLetters(erasure)


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
