"""Create vouchers, one or a batch of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from domain.imported_history import ImportedHistory, retirement_of
from domain.terms import RetiredReason
from domain.value_class import value
from domain.voucher_change import VoucherChangeKind
from models.base import ids_at, read_clock
from models.vouchers.budget import set_budgets
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import CreationKey, find_creations
from models.vouchers.row_types import VoucherCreationRow
from models.vouchers.writes import add_vouchers
from tasks.codes.primary import add_primary_codes, require_text
from tasks.codes.text_holders import TextHolders, lock_holders, primary_code
from tasks.intake.task import contract_task, delivery_id
from tasks.vouchers.amounts import new_amounts
from tasks.vouchers.answers import voucher_answer
from tasks.vouchers.columns import values_of
from tasks.vouchers.messages import CreateVoucher
from tasks.wire.answers import Answer, conflict_answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction


@value
class NewVoucher:
    """A voucher to create: once for each request id, or else once for each delivery id; without either, each time.

    An imported voucher has a history, and the fingerprint of its body in the other system.
    """

    request: CreateVoucher
    delivery: str | None = None
    history: ImportedHistory | None = None
    body_fingerprint: bytes | None = None

    @property
    def key(self) -> CreationKey | None:
        """The column and the value that no other voucher of the project has."""
        if self.request.request_id is not None:
            return "request_id", self.request.request_id
        return None if self.delivery is None else ("delivery_id", self.delivery)

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint that a repetition has too."""
        return self.body_fingerprint or self.request.fingerprint()

    @property
    def claims(self) -> list[tuple[str, str]]:
        """The key and the text of the code: what decides about another voucher that claims the same."""
        code = self.request.code
        return [*([self.key] if self.key else []), *([("code", code.lower())] if code is not None else [])]


@contract_task("vouchers.create", message=CreateVoucher, first_answer=AnswerTable.VOUCHERS)
def create(request: CreateVoucher) -> Answer:
    """Create a voucher."""
    delivery = delivery_id()
    return run_in_transaction(lambda session: create_voucher(session, request, delivery=delivery))


def create_voucher(session: Session, request: CreateVoucher, *, delivery: str | None = None) -> Answer:
    """Create a voucher as `create_vouchers` does. Raises InvalidRequest if the code belongs to an available voucher."""
    return create_new(session, NewVoucher(request=request, delivery=delivery))


def create_new(session: Session, new: NewVoucher) -> Answer:
    """Create a voucher as `create_vouchers` does. Raises the error."""
    (answer,) = create_vouchers(session, [new])
    if isinstance(answer, InvalidRequest):
        raise answer
    return answer


def create_vouchers(session: Session, new: Sequence[NewVoucher]) -> list[Answer | InvalidRequest]:
    """Create vouchers of a project in the order given, and return an answer for each, or the error that says why not.

    Every repetition gets the first answer. A code that belongs to another available voucher is an error, unless the new
    voucher is retired from the start. A voucher with the key or the code of an earlier one is decided after that one.
    """
    answers = dict[int, Answer | InvalidRequest]()
    for positions in _without_shared_claims(new):
        now = read_clock(session)
        # Those that follow are locked too: vouchers are locked in the order of their ids, and before anything else.
        holders = _lock_holders(session, [each for position, each in enumerate(new) if position not in answers])
        created = _create(session, [new[each] for each in positions], holders=holders, now=now)
        answers |= zip(positions, created, strict=True)
    return [answers[position] for position in range(len(new))]


def _without_shared_claims(new: Sequence[NewVoucher]) -> list[list[int]]:
    """Return the positions in groups, in each of which all claims differ. Equal claims keep their order."""
    groups, last = list[list[int]](), dict[tuple[str, str], int]()
    for position, each in enumerate(new):
        group = max((last[claim] + 1 for claim in each.claims if claim in last), default=0)
        last |= dict.fromkeys(each.claims, group)
        if group == len(groups):
            groups.append([])
        groups[group].append(position)
    return groups


def _lock_holders(session: Session, new: Sequence[NewVoucher]) -> TextHolders:
    codes = [each.request.code for each in new if each.request.code is not None]
    if not codes:
        return TextHolders(taken={}, replaceable={})
    return lock_holders(session, project=new[0].request.project, codes=codes)


def _create(
    session: Session, new: Sequence[NewVoucher], *, holders: TextHolders, now: datetime
) -> Iterable[Answer | InvalidRequest]:
    # The stored creations are read after the codes. If another delivery has created a voucher in between, this must be
    # a replay, not a code that is taken.
    keys = [each.key for each in new if each.key]
    stored = find_creations(session, project=new[0].request.project, keys=keys) if keys else {}
    answers, rows = list[Answer | InvalidRequest](), list[tuple[NewVoucher, dict[str, Any]]]()
    # Lists find vouchers of a span of time by their ids.
    for each, id_ in zip(new, ids_at(now), strict=False):
        if each.key in stored:
            answers.append(_repeated(each, stored[each.key]))
            continue
        values = _values_of(each, id=id_, now=now)
        answer = voucher_answer(SimpleNamespace(**values)) | new_amounts(values["budget_minor"])
        try:
            require_text(values, holders=holders)
        except InvalidRequest as error:
            answers.append(error)
        else:
            answers.append(answer)
            rows.append((each, values | _key_values(each, answer=answer)))
    if rows:
        _write(session, rows, holders=holders, now=now)
    return answers


def _repeated(new: NewVoucher, stored: VoucherCreationRow) -> Answer:
    if stored.fingerprint == new.fingerprint and stored.creation_answer is not None:
        return stored.creation_answer
    return conflict_answer("voucher", project=new.request.project, request_id=new.request.request_id)


def _write(
    session: Session, rows: Sequence[tuple[NewVoucher, Mapping[str, Any]]], *, holders: TextHolders, now: datetime
) -> None:
    vouchers = [values for _, values in rows]
    add_vouchers(session, rows=vouchers)
    for each in vouchers:
        if each["budget_minor"]:
            set_budgets(session, project=each["project"], voucher_id=each["id"], amounts_minor=each["budget_minor"])
    codes = [(primary_code(each["code"], voucher=each), each) for each in vouchers if each["code"] is not None]
    add_primary_codes(session, new=codes, holders=holders, now=now)
    add_changes(session, *(change for new, values in rows for change in _history(values, actor=new.request.actor)))


def _history(values: Mapping[str, Any], *, actor: str | None) -> Iterator[NewChange]:
    kinds = [VoucherChangeKind.CREATED]
    # An imported coupon may have been withdrawn in the other system.
    if values["retired_reason"] == RetiredReason.MANUAL_ACTION:
        kinds.append(VoucherChangeKind.RETIRED)
    at = values["created_at"]
    for kind in kinds:
        yield NewChange(project=values["project"], voucher_id=values["id"], kind=kind, actor=actor, created_at=at)


def _key_values(new: NewVoucher, *, answer: Answer) -> dict[str, Any]:
    name, key = new.key or ("request_id", None)
    return {
        "request_id": None,
        "delivery_id": None,
        "fingerprint": None if key is None else new.fingerprint,
        "creation_answer": None if key is None else answer,
        name: key,
    }


def _values_of(new: NewVoucher, *, id: UUID, now: datetime) -> dict[str, Any]:  # noqa: A002 - the column's name
    history, restrictions = new.history, new.request.restrictions
    retirement = history and retirement_of(
        history, maximum_redemptions=restrictions.maximum_redemptions, expires_at=restrictions.expires_at, now=now
    )
    redemptions = history.redemptions if history else 0
    return values_of(new.request, id=id, created_at=now) | {
        "redemptions": redemptions,
        "imported_redemptions": redemptions,
        "places_returned": 0,
        "updated_at": None,
        "retired_reason": retirement and retirement.reason.value,
        "retired_at": retirement and retirement.at,
    }
