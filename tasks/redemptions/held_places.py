"""The places that are held of a batch's vouchers: what counts against whom, and what the batch changes about it."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from domain.eligibility import Candidate, Counts, Refusal
from domain.hold import HoldStatus
from domain.value import value
from models.base import StoredRow
from models.redemptions.hold import add_holds, close_holds, find_holds
from models.redemptions.open_holds import count_held_by_code, count_lapsed, find_open_near
from models.vouchers.counters import change_held
from tasks.redemptions.batch_codes import BatchCode
from tasks.redemptions.hold_requests import Hold, is_request_of
from tasks.redemptions.messages import Redeem
from tasks.redemptions.replaced_holds import after_replacing, fewest_to_replace
from tasks.wire.replay import CallerKey

VoucherKey = tuple[str, UUID]


class HoldableVoucher(Protocol):
    """A voucher of a batch, as far as holds concern it."""

    row: StoredRow
    redemptions: int


@value
class Verdict:
    """Why a request is refused, or None; and the customer's own holds that make way for it."""

    refusal: Refusal | None
    replaced: list[Hold]


class HeldPlaces:
    """What is held of the batch's vouchers. Where nothing is, it costs nothing."""

    def __init__(self, *, at: datetime) -> None:
        self.at = at
        self._held: defaultdict[VoucherKey, int] = defaultdict(int)
        self._held_by_code: defaultdict[VoucherKey, int] = defaultdict(int)
        # By id, oldest first: a customer can have thousands.
        self._by_customer: defaultdict[tuple[VoucherKey, str], dict[UUID, Hold]] = defaultdict(dict)
        self._by_subscription: dict[tuple[VoucherKey, str], Hold] = {}
        # Those whose own request is in the batch, by its id.
        self._reserved: dict[CallerKey, StoredRow] = {}
        self._new: list[SimpleNamespace] = []
        self._closed: dict[UUID, tuple[Hold, HoldStatus, UUID | None]] = {}

    @classmethod
    def read(
        cls,
        session: Session,
        requests: Sequence[Redeem],
        *,
        vouchers: Sequence[HoldableVoucher | None],
        codes: Sequence[BatchCode | None],
        at: datetime,
    ) -> "HeldPlaces":
        """This method will read what is held of those vouchers of which the locked rows say that something is."""
        places = cls(at=at)
        keys = {(each.row.project, each.row.id): each.row.held for each in vouchers if each and each.row.held}
        if keys:
            places._count(session, keys, codes=[each for each in codes if each is not None])
            near = [
                (*key, request.customer, request.subscription)
                for request, voucher in zip(requests, vouchers, strict=True)
                if voucher is not None and (key := (voucher.row.project, voucher.row.id)) in keys
            ]
            open_near = find_open_near(session, keys=near)
            places._note(open_near)
            places._reserved = _with_their_requests(session, open_near, requests=requests, at=at)
        return places

    def _count(self, session: Session, held: dict[VoucherKey, int], *, codes: Sequence[BatchCode]) -> None:
        vouchers = list(held)
        for key, lapsed in zip(vouchers, count_lapsed(session, keys=vouchers, now=self.at), strict=True):
            self._held[key] = held[key] - lapsed
        limited = list(
            {
                (each.project, each.row.id)
                for each in codes
                if each.row.maximum_redemptions is not None and self._held[each.project, each.row.voucher_id]
            }
        )
        if limited:
            by_code = count_held_by_code(session, keys=limited, now=self.at)
            self._held_by_code.update(zip(limited, by_code, strict=True))

    def _note(self, holds: Sequence[StoredRow]) -> None:
        for hold in holds:
            if hold.expires_at <= self.at:
                # Out of the way of the next one for its subscription.
                self._closed[hold.id] = (hold, HoldStatus.LAPSED, None)
            else:
                self._index(hold)

    def _index(self, hold: Hold) -> None:
        key = (hold.project, hold.voucher_id)
        self._by_customer[key, hold.customer][hold.id] = hold
        self._by_subscription[key, hold.subscription] = hold

    def reserved_by(
        self, request: Redeem, *, voucher: HoldableVoucher | None, code: BatchCode | None, fingerprint: bytes
    ) -> StoredRow | None:
        """This method will return the hold that a redemption confirms, or None.

        It was made under the request's id and with its body, and still counts.
        """
        hold = self._reserved.get((request.project, request.request_id))
        if hold is None or voucher is None or hold.id in self._closed:
            return None
        code_id = code.row.id if code else None
        is_its_own = is_request_of(hold, voucher_id=voucher.row.id, code_id=code_id, fingerprint=fingerprint)
        return hold if is_its_own else None

    def possible_counts(
        self,
        counts: Counts,
        *,
        request: Redeem,
        voucher: HoldableVoucher | None,
        code: BatchCode | None,
        candidate: Candidate | None,
    ) -> Iterator[tuple[Counts, list[Hold]]]:
        """This method will yield the counts with what is held, and then the one with room, if there is any.

        Each comes with the customer's own holds that were set aside for it: the one for this subscription always,
        then as few of the others as the limits ask for. A customer's own hold never stands in its way.
        """
        key = (request.project, voucher.row.id) if voucher else None
        if key is None or candidate is None or not self._held[key]:
            yield counts, []
            return
        here = self._by_subscription.get((key, request.subscription))
        own = self._by_customer[key, request.customer]
        code_id = code.row.id if code else None
        aside = [here] if here is not None and here.customer == request.customer else []
        with_held = replace(
            counts,
            held=self._held[key],
            held_by_customer=len(own),
            held_by_code=self._held_of(request.project, code_id),
            subscription_is_held=here is not None and not aside,
        )
        beside = after_replacing(with_held, aside, code_id=code_id)
        yield beside, aside
        if not beside.subscription_is_held:
            elsewhere = fewest_to_replace(own, code_id=code_id, aside=aside, candidate=candidate, counts=beside)
            if elsewhere:
                yield after_replacing(beside, elsewhere, code_id=code_id), [*aside, *elsewhere]

    def _held_of(self, project: str, code_id: UUID | None) -> int:
        return 0 if code_id is None else self._held_by_code[project, code_id]

    def add(self, hold: SimpleNamespace) -> None:
        """This method will note a request that was decided; where it holds a place, the place counts from now on."""
        self._new.append(hold)
        if hold.status == HoldStatus.OPEN:
            self._held[hold.project, hold.voucher_id] += 1
            if hold.code_id is not None:
                self._held_by_code[hold.project, hold.code_id] += 1
            self._index(hold)

    def close(self, hold: Hold, status: HoldStatus, *, redemption_id: UUID | None = None) -> None:
        """This method will note what has become of a hold. One that counted until now counts no longer."""
        key = (hold.project, hold.voucher_id)
        if self._by_customer[key, hold.customer].pop(hold.id, None) is not None:
            del self._by_subscription[key, hold.subscription]
            self._held[key] -= 1
            if hold.code_id is not None:
                self._held_by_code[hold.project, hold.code_id] -= 1
        self._closed[hold.id] = (hold, status, redemption_id)

    def write(self, session: Session) -> None:
        """This method will write what was noted: at most one statement for each kind of change."""
        new = {each.id for each in self._new}
        for hold, status, _ in self._closed.values():
            if isinstance(hold, SimpleNamespace):
                hold.status, hold.closed_at = status.value, self.at
        closed = [each for each in self._closed.values() if each[0].id not in new]
        changed: defaultdict[VoucherKey, int] = defaultdict(int)
        for hold in [*self._new, *(hold for hold, _, _ in closed)]:
            if hold.status == HoldStatus.OPEN:
                changed[hold.project, hold.voucher_id] += 1 if hold.id in new else -1
        if closed:
            rows = [(hold.project, hold.id, status, redemption_id) for hold, status, redemption_id in closed]
            close_holds(session, closed=rows, closed_at=self.at)
        if self._new:
            add_holds(session, rows=self._new)
        if changed:
            change_held(session, changed=[(*key, count) for key, count in changed.items()])


def _with_their_requests(
    session: Session, holds: Sequence[StoredRow], *, requests: Sequence[Redeem], at: datetime
) -> dict[CallerKey, StoredRow]:
    """This function will read those again that a request of the batch confirms, with all that they say."""
    ids = {(each.project, each.request_id) for each in requests}
    open_ids = ((each.project, each.request_id) for each in holds if each.expires_at > at)
    keys = [key for key in open_ids if key in ids]
    return find_holds(session, keys=keys) if keys else {}
