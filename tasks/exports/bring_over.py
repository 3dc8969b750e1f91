"""Bring the records of an export over, a transaction for each batch. All can be repeated without a second effect."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from models.vouchers.look_up import find_created
from tasks.exports.lines import Line, Outcome
from tasks.exports.staging import Staged, Staging
from tasks.exports.system import Kind, Scope, System
from worker.database import run_in_transaction

UNKNOWN = "is no object of an export that can be brought over"
# A record, and a line about it.
Reported = tuple[Staged, Line]


class Batch(NamedTuple):
    """The records of a transaction: their number, and the lines about them."""

    records: int
    reported: list[Reported]


class _RolledBack(Exception):
    """Ends a transaction of a dry run, with what was decided in it."""

    def __init__(self, decided: list[list[Line]]) -> None:
        super().__init__()
        self.decided = decided


def stage(records: Iterable[Staged], *, system: System, staging: Staging) -> Iterator[Reported]:
    """Keep the records by kind, and yield a line about each that is of no kind. `body` is None if it is no JSON."""
    kinds = {each.name: each for each in system.kinds}
    for staged in records:
        body = system.opened(staged.body)
        kind = kinds.get(system.kind_of(body) or "") if isinstance(body, dict) else None
        if kind is None:
            reason = "is no JSON object" if not isinstance(body, dict) else UNKNOWN
            yield staged, Line(object="", id="", outcome=Outcome.INVALID, reason=reason)
        else:
            staging.add(staged._replace(body=body), kind=kind.name, key=kind.key_of(body), parent=kind.parent_of(body))
    staging.finish()


def bring_over(system: System, scope: Scope, *, is_applied: bool) -> Iterator[Batch]:
    """Decide all staged records, kind by kind, and yield the lines of each batch after its transaction.

    If the decisions are not applied, each transaction is rolled back. A batch then creates the vouchers that it needs
    in its own transaction, so it is decided as it would be, except for the effects of other batches.
    """
    for kind in system.kinds:
        records = scope.staging.records(kind.name)
        while batch := list(islice(records, kind.batch_size)):
            bodies = [each.body for each in batch]
            decided = _decide(system, kind, bodies, scope=scope, is_applied=is_applied)
            reported = [(staged, line) for staged, lines in zip(batch, decided, strict=True) for line in lines]
            yield Batch(len(batch), reported)


def _decide(system: System, kind: Kind, bodies: list[Any], *, scope: Scope, is_applied: bool) -> list[list[Line]]:
    def work(session: Session) -> list[list[Line]]:
        if is_applied:
            return kind.decide(session, bodies, scope)
        _add_missing(session, system, {key for each in bodies for key in kind.vouchers_of(each)}, scope=scope)
        raise _RolledBack(kind.decide(session, bodies, scope))

    try:
        return run_in_transaction(work)
    except _RolledBack as end:
        return end.decided


def _add_missing(session: Session, system: System, keys: Iterable[str], *, scope: Scope) -> None:
    deliveries = {system.delivery_of(key): key for key in keys}
    there = find_created(session, project=scope.project, delivery_ids=deliveries) if deliveries else {}
    vouchers = system.kinds[0]
    missing = scope.staging.find(vouchers.name, [key for delivery, key in deliveries.items() if delivery not in there])
    if missing:
        vouchers.decide(session, list(missing.values()), scope)
