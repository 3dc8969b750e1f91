"""Import the promotion codes of Stripe (https://docs.stripe.com/api/promotion_codes/object) as codes of vouchers.

A code belongs to the voucher of its coupon. If the code has restrictions that only a voucher can have, it belongs to
a voucher with the terms of the coupon and these restrictions, which all such codes of the coupon share.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from types import SimpleNamespace
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from domain.code_terms import CodeRetiredReason, CodeRetirement
from domain.voucher_change import VoucherChangeKind
from models.base import first_id_at, read_clock
from models.codes.code import add_codes
from models.codes.look_up import find_codes
from models.codes.primary import add_retired_codes
from models.vouchers.change import NewChange, add_changes
from models.vouchers.look_up import find_created, find_vouchers
from models.vouchers.row_types import VoucherRow
from tasks.codes.answers import code_answer
from tasks.codes.limits import limit_errors
from tasks.codes.text_holders import CODE_IS_TAKEN, TextHolders, lock_holders
from tasks.foreign.stripe import coupon_delivery
from tasks.foreign.stripe_promotion_messages import ImportPromotionCode, PromotionCode
from tasks.foreign.stripe_restricted_vouchers import add_restricted_vouchers, needs_own_voucher
from tasks.intake.task import contract_task
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.replay import AnswerTable
from worker.database import run_in_transaction

PREFIX = "promotion_code."
FIELDS = {"maximumRedemptions": "max_redemptions", "expiresAt": "expires_at"}
NO_COUPON = "must be a coupon that was imported before"
# The free bits of a UUIDv7.
_HASH_BITS = 62


@contract_task("stripe.promotion_codes.import", message=ImportPromotionCode, first_answer=AnswerTable.STATE)
def import_(request: ImportPromotionCode) -> Answer:
    """Add a promotion code to the voucher of its coupon, once for each promotion code id."""
    answer = run_in_transaction(
        lambda session: import_promotion_codes(session, [request.promotion_code], project=request.project)
    )[0]
    if isinstance(answer, InvalidRequest):
        raise answer
    return answer


def import_promotion_codes(
    session: Session, promotions: Sequence[PromotionCode], *, project: str
) -> list[Answer | InvalidRequest]:
    """Import promotion codes in the order given, and return an answer for each, or the error that says why not.

    A promotion code that was imported before is answered as it is now, and changes nothing.
    """
    batch = _Batch.locked(session, promotions, project=project)
    decided = [batch.decide(each) for each in promotions]
    batch.write(session)
    return [each if isinstance(each, InvalidRequest) else batch.answer(each) for each in decided]


def code_id(promotion: PromotionCode, *, project: str) -> UUID:
    """Return the id of the code of a promotion code, which is the same in every import into the project."""
    digest = sha256(f"{project}:{promotion.id}".encode()).digest()
    return UUID(int=first_id_at(promotion.created).int | int.from_bytes(digest) >> (256 - _HASH_BITS))


class _Batch:
    """The decisions on promotion codes of a project, and the rows to write."""

    def __init__(
        self,
        *,
        project: str,
        now: datetime,
        ids: Mapping[str, UUID],
        known: Mapping[UUID, Any],
        vouchers: Mapping[UUID, VoucherRow],
        voucher_ids: Mapping[str, UUID | InvalidRequest],
        holders: TextHolders,
    ) -> None:
        self.project = project
        self.now = now
        self.ids = ids
        self.known = dict(known)
        self.vouchers = vouchers
        self.voucher_ids = voucher_ids
        self.holders = holders
        self.taken = set(holders.taken)
        self.available = list[dict[str, Any]]()
        self.retired = list[tuple[dict[str, Any], CodeRetirement]]()

    @classmethod
    def locked(cls, session: Session, promotions: Sequence[PromotionCode], *, project: str) -> Self:
        """Read what was imported before, add the vouchers of restricted codes, and lock all vouchers of new codes."""
        ids = {each.id: code_id(each, project=project) for each in promotions}
        known = _codes_of(session, ids.values(), project=project)
        new = [each for each in promotions if ids[each.id] not in known]
        voucher_ids = _vouchers_of(session, new, project=project)
        named = {id_ for id_ in voucher_ids.values() if isinstance(id_, UUID)}
        holders = lock_holders(
            session,
            project=project,
            codes=[each.code for each in new if each.active],
            locking=[(project, id_) for id_ in named],
        )
        # Another import may have added them while this one waited for the locks.
        known |= _codes_of(session, [ids[each.id] for each in new], project=project)
        of_known = {row.voucher_id for row in known.values()}
        return cls(
            project=project,
            now=read_clock(session),
            ids=ids,
            known=known,
            vouchers=find_vouchers(session, keys=[(project, id_) for id_ in named | of_known]),
            voucher_ids=voucher_ids,
            holders=holders,
        )

    def decide(self, promotion: PromotionCode) -> UUID | InvalidRequest:
        """Return the id of the code, or the error that says why there is none."""
        id_ = self.ids[promotion.id]
        if id_ in self.known:
            return id_
        voucher_id = self.voucher_ids[promotion.id]
        if isinstance(voucher_id, InvalidRequest):
            return voucher_id
        values = _values_of(promotion, id=id_, voucher=self.vouchers[voucher_id], created_at=self.now)
        limits = limit_errors(SimpleNamespace(**values), voucher=self.vouchers[voucher_id])
        errors = [{"field": PREFIX + FIELDS[name], "message": message} for name, message in limits]
        retirement = _retirement_of(promotion, now=self.now)
        if retirement is None and values["code"].lower() in self.taken:
            errors.append({"field": PREFIX + "code", "message": CODE_IS_TAKEN})
        if errors:
            return InvalidRequest(errors)
        if retirement is None:
            self.taken.add(values["code"].lower())
            self.available.append(values)
        else:
            self.retired.append((values, retirement))
        self.known[id_] = _as_stored(values, retirement)
        return id_

    def write(self, session: Session) -> None:
        """Write the codes, and each voucher's history."""
        if self.available:
            self.holders.retire_replaceable(session, codes=[row["code"] for row in self.available])
            add_codes(session, rows=self.available)
        if self.retired:
            add_retired_codes(session, rows=self.retired)
        if changes := list(self._changes()):
            add_changes(session, *changes)

    def _changes(self) -> Iterable[NewChange]:
        shared: dict[str, Any] = {"project": self.project, "actor": None, "created_at": self.now}
        rows = [*self.available, *(values for values, _ in self.retired)]
        for voucher_id, codes in Counter(row["voucher_id"] for row in rows).items():
            yield NewChange(voucher_id=voucher_id, kind=VoucherChangeKind.CODES_ADDED, codes=codes, **shared)
        for row, retirement in self.retired:
            if retirement.reason is CodeRetiredReason.MANUAL_ACTION:
                kind = VoucherChangeKind.CODE_RETIRED
                yield NewChange(voucher_id=row["voucher_id"], kind=kind, code_id=row["id"], **shared)

    def answer(self, id_: UUID) -> Answer:
        """Return the code as it is now."""
        row = self.known[id_]
        return code_answer(row, voucher=self.vouchers[row.voucher_id])


def _codes_of(session: Session, ids: Iterable[UUID], *, project: str) -> dict[UUID, Any]:
    return {row.id: row for row in find_codes(session, keys=[(project, id_) for id_ in ids])}


def _vouchers_of(
    session: Session, promotions: Iterable[PromotionCode], *, project: str
) -> dict[str, UUID | InvalidRequest]:
    """Return the id of the voucher of each promotion code, or why there is none, by the id of the promotion code."""
    keys = {each.id: coupon_delivery(each.coupon_id) for each in promotions}
    coupons = find_created(session, project=project, delivery_ids=keys.values())
    restricted = [each for each in promotions if needs_own_voucher(each) and keys[each.id] in coupons]
    own = add_restricted_vouchers(session, restricted, coupons={each.id: coupons[keys[each.id]] for each in restricted})
    missing = InvalidRequest([{"field": f"{PREFIX}promotion.coupon", "message": NO_COUPON}])
    return {id_: coupons[key].id if key in coupons else missing for id_, key in keys.items()} | own


def _values_of(
    promotion: PromotionCode,
    *,
    id: UUID,  # noqa: A002 - the column's name
    voucher: VoucherRow,
    created_at: datetime,
) -> dict[str, Any]:
    maximum = promotion.max_redemptions
    # A code counts its redemptions here only. Whatever is used up is retired, and keeps its limit.
    left = None if maximum is None else maximum - promotion.times_redeemed
    return {
        "project": voucher.project,
        "id": id,
        "voucher_id": voucher.id,
        "code": promotion.code,
        "created_at": created_at,
        "is_primary": False,
        "maximum_redemptions": left if left is None or left > 0 else maximum,
        "maximum_redemptions_per_customer": None,
        "expires_at": promotion.expires_at,
        "customer": promotion.customer,
        "generation_id": None,
    }


def _retirement_of(promotion: PromotionCode, *, now: datetime) -> CodeRetirement | None:
    if promotion.expires_at is not None and promotion.expires_at <= now:
        return CodeRetirement(reason=CodeRetiredReason.EXPIRED, at=promotion.expires_at)
    maximum = promotion.max_redemptions
    if promotion.active and (maximum is None or promotion.times_redeemed < maximum):
        return None
    return CodeRetirement(reason=CodeRetiredReason.MANUAL_ACTION, at=now)


def _as_stored(values: Mapping[str, Any], retirement: CodeRetirement | None) -> SimpleNamespace:
    return SimpleNamespace(
        **values,
        redemptions=0,
        places_returned=0,
        updated_at=None,
        retired_reason=retirement and retirement.reason.value,
        retired_at=retirement and retirement.at,
    )
