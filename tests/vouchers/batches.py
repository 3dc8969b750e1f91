"""Batches of new vouchers, created together or one after the other."""

from collections.abc import Sequence
from typing import Any

from domain.imported_history import ImportedHistory
from tasks.vouchers.create import NewVoucher, create_new, create_vouchers
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tests.support.requests import voucher_body
from worker.database import run_in_transaction


def new(delivery: str | None = None, history: ImportedHistory | None = None, **fields: Any) -> NewVoucher:
    """Return a voucher of 10 % for ever to create, with the fields."""
    return NewVoucher(request=CreateVoucher.model_validate(voucher_body(**fields)), delivery=delivery, history=history)


def created(batch: Sequence[NewVoucher]) -> list[Answer]:
    """Create the vouchers together, and return the answers. An error is the answer with the bad fields."""
    return list(map(_shown, run_in_transaction(lambda session: create_vouchers(session, batch))))


def created_alone(each: NewVoucher) -> Answer:
    """Create a voucher by itself, and return the same."""
    try:
        return run_in_transaction(lambda session: create_new(session, each))
    except InvalidRequest as error:
        return _shown(error)


def _shown(answer: Answer | InvalidRequest) -> Answer:
    return {"errors": answer.errors} if isinstance(answer, InvalidRequest) else answer
