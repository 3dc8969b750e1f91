"""The history of a voucher: who changed the voucher or its codes, in which way, and when."""

from collections.abc import Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.terms import RetiredReason
from domain.voucher_change import VoucherChangeKind
from models.base import first_id_at, read_one_snapshot
from models.vouchers.change import VoucherChangeRow, newer_changes, older_changes
from models.vouchers.look_up import find_voucher
from models.vouchers.row_types import VoucherRow
from tasks.intake.task import contract_task
from tasks.vouchers.messages import VoucherHistory
from tasks.wire.answers import Answer, identity, instant
from tasks.wire.errors import found
from tasks.wire.fields import type_id
from tasks.wire.pages import page_answer
from tasks.wire.replay import AnswerTable
from worker.database import transaction

AVAILABLE = {"status": "available", "retiredReason": None, "retiredAt": None}


@contract_task("vouchers.history", message=VoucherHistory, first_answer=AnswerTable.READS)
def history(request: VoucherHistory) -> Answer:
    """List the changes of a voucher and of its codes, newest first, in pages, each with its actor."""
    with transaction() as session:
        # The voucher says why the last retirement in its history is one.
        read_one_snapshot(session)
        return voucher_history(session, request)


def voucher_history(session: Session, request: VoucherHistory) -> Answer:
    """Return a page of the changes of a voucher. Raises NotFound if the voucher does not exist."""
    voucher = found(find_voucher(session, project=request.project, id=request.voucher), "voucher")
    key: dict[str, Any] = {"project": voucher.project, "voucher_id": voucher.id}
    retirements = _retirements_by_themselves(voucher)

    def older(than: UUID | None, limit: int) -> Sequence[VoucherChangeRow]:
        rows = older_changes(session, **key, than=than, limit=limit)
        beside = [each for each in retirements if than is None or each.id < than]
        return _newest_first([*rows, *beside])[:limit]

    def newer(than: UUID, limit: int) -> Sequence[VoucherChangeRow]:
        rows = newer_changes(session, **key, than=than, limit=limit)
        beside = [each for each in retirements if each.id > than]
        every = _newest_first([*rows, *beside])
        return every[max(0, len(every) - limit) :]

    return page_answer(
        request, prefix="cha", item=lambda row: _change_answer(row, voucher=voucher), older=older, newer=newer
    )


def _newest_first(changes: Sequence[VoucherChangeRow]) -> list[VoucherChangeRow]:
    return sorted(changes, key=attrgetter("id"), reverse=True)


def _retirements_by_themselves(voucher: VoucherRow) -> list[VoucherChangeRow]:
    """Return the retirement of a voucher that is expired or full, which no operator caused, or nothing."""
    if voucher.retired_at is None or voucher.retired_reason == RetiredReason.MANUAL_ACTION:
        return []
    nothing = dict.fromkeys(("actor", "before", "after", "codes", "generation_id", "code_id"))
    at = voucher.retired_at
    return [SimpleNamespace(id=first_id_at(at), kind=VoucherChangeKind.RETIRED.value, created_at=at, **nothing)]


def _change_answer(row: VoucherChangeRow, *, voucher: VoucherRow) -> Answer:
    before, after = row.before, row.after
    if row.kind == VoucherChangeKind.RETIRED:
        # A voucher that was retired by hand stays retired, and the other retirements are the present one.
        reason, at = voucher.retired_reason, instant(voucher.retired_at)
        before, after = AVAILABLE, {"status": "retired", "retiredReason": reason, "retiredAt": at}
    return {
        "object": "voucherChange",
        "id": type_id("cha", row.id),
        "project": voucher.project,
        "voucher": type_id("vou", voucher.id),
        "kind": row.kind,
        "actor": row.actor,
        "from": before,
        "to": after,
        "codes": row.codes,
        "generation": identity("gen", row.generation_id),
        "code": identity("voc", row.code_id),
        "at": instant(row.created_at),
    }
