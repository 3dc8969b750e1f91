"""The places that holds keep of a batch's vouchers, and the changes of holds that the batch decides."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Self
from uuid import UUID

from sqlalchemy.orm import Session

from domain.eligibility import Candidate, Counts
from domain.hold import HoldStatus
from models.redemptions.hold import add_holds, close_holds, find_holds
from models.redemptions.open_holds import count_held_by_code, count_lapsed, find_held_on, find_open_holds
from models.redemptions.row_types import AcceptedHoldRow, HeldBesideRow, HeldPlaceRow, is_accepted
from models.vouchers.counters import change_held
from models.vouchers.look_up import VoucherKey
from tasks.redemptions.batch_vouchers import BatchCode
from tasks.redemptions.hold_match import is_request_of
from tasks.redemptions.holds_to_replace import after_replacing, count_of_code, fewest_to_replace
from tasks.redemptions.look_up import Claim
from tasks.wire.replay import CallerKey


class HeldPlaces:
    """The open holds that concern a batch: of the named vouchers, and of all vouchers on the named subscriptions."""

    def __init__(self, *, at: datetime) -> None:
        self.at = at
        self._held: defaultdict[VoucherKey, int] = defaultdict(int)
        self._held_by_code: defaultdict[VoucherKey, int] = defaultdict(int)
        # By id, the oldest first. A dict, because a customer can have thousands of holds and each can be closed.
        self._by_customer: defaultdict[tuple[VoucherKey, str], dict[UUID, HeldPlaceRow]] = defaultdict(dict)
        self._by_subscription: dict[tuple[VoucherKey, str], HeldPlaceRow] = {}
        # By project and subscription, and by id.
        self._on_subscription: defaultdict[tuple[str, str], dict[UUID, HeldBesideRow]] = defaultdict(dict)
        # The holds that requests of the batch may confirm, by their request id.
        self._confirmable: dict[CallerKey, AcceptedHoldRow] = {}
        self._new: list[SimpleNamespace] = []
        self._closed: dict[UUID, tuple[HeldPlaceRow, HoldStatus, UUID | None]] = {}

    @classmethod
    def read(cls, session: Session, claims: Sequence[Claim], *, at: datetime) -> Self:
        """Read the holds on the subscriptions, and those of the vouchers of which the rows say that places are held."""
        places = cls(at=at)
        for each in find_held_on(session, subscriptions={each.subscription for each in claims}, now=at):
            places._on_subscription[each.project, each.subscription][each.id] = each
        held = {each.voucher.key: each.voucher.row.held for each in claims if each.voucher and each.voucher.row.held}
        if held:
            places._count(session, held, codes=[each.code for each in claims if each.code])
            open_holds = find_open_holds(
                session,
                requests=[
                    (*each.voucher.key, each.request.customer, each.request.subscription)
                    for each in claims
                    if each.voucher and each.voucher.key in held
                ],
            )
            places._note(open_holds)
            places._confirmable = _confirmable(session, open_holds, claims=claims, at=at)
        return places

    def _count(self, session: Session, held: dict[VoucherKey, int], *, codes: Sequence[BatchCode]) -> None:
        vouchers = list(held)
        for key, lapsed in zip(vouchers, count_lapsed(session, keys=vouchers, now=self.at), strict=True):
            self._held[key] = held[key] - lapsed
        limited = list(
            {
                (each.row.project, each.row.id)
                for each in codes
                if each.row.maximum_redemptions is not None and self._held[each.row.project, each.row.voucher_id]
            }
        )
        if limited:
            by_code = count_held_by_code(session, keys=limited, now=self.at)
            self._held_by_code.update(zip(limited, by_code, strict=True))

    def _note(self, holds: Sequence[HeldPlaceRow]) -> None:
        for hold in holds:
            if hold.expires_at <= self.at:
                # Closed, because the subscription may get a new open hold, and a unique index allows only one.
                self._closed[hold.id] = (hold, HoldStatus.LAPSED, None)
            else:
                self._index(hold)

    def _index(self, hold: HeldPlaceRow) -> None:
        key = (hold.project, hold.voucher_id)
        self._by_customer[key, hold.customer][hold.id] = hold
        self._by_subscription[key, hold.subscription] = hold

    def hold_to_confirm(self, claim: Claim) -> AcceptedHoldRow | None:
        """Return the hold that a redemption confirms, or None.

        The hold is open, the batch has not closed it, and id, body, voucher and code are those of the request.
        """
        hold = self._confirmable.get(claim.key)
        if hold is None or claim.voucher is None or hold.id in self._closed:
            return None
        is_confirmed = is_request_of(
            hold, voucher_id=claim.voucher_id, code_id=claim.code_id, fingerprint=claim.fingerprint
        )
        return hold if is_confirmed else None

    def beside(self, claim: Claim) -> list[HeldBesideRow]:
        """Return the holds on a request's subscription that the request neither confirms nor replaces."""
        own = (claim.voucher_id, claim.request.customer)
        on_subscription = self._on_subscription.get(claim.subscription)
        if not on_subscription:
            return []
        return [each for each in on_subscription.values() if (each.voucher_id, each.customer) != own]

    def possible_counts(
        self, counts: Counts, *, claim: Claim, candidate: Candidate | None
    ) -> Iterator[tuple[Counts, list[HeldPlaceRow]]]:
        """Yield `counts` with the held places and, if replacing more holds makes room, the counts after that.

        A customer's own hold never stands in the customer's way. Each result has the counts, and the holds of the
        customer that these counts treat as replaced: always the hold for this subscription, and then the fewest others
        that the limits require.
        """
        key = claim.voucher.key if claim.voucher else None
        if key is None or candidate is None or not self._held[key]:
            yield counts, []
            return
        on_subscription = self._by_subscription.get((key, claim.request.subscription))
        own = self._by_customer[key, claim.request.customer]
        always = [on_subscription] if on_subscription is not None and on_subscription.id in own else []
        with_held = replace(
            counts,
            held=self._held[key],
            held_by_customer=len(own),
            held_by_code=self._held_of_code(claim),
            held_by_customer_and_code=_held_of_customer_and_code(own, candidate=candidate, code_id=claim.code_id),
            subscription_is_held=on_subscription is not None and not always,
        )
        after = after_replacing(with_held, always, code_id=claim.code_id)
        yield after, always
        if not after.subscription_is_held:
            more = fewest_to_replace(own, code_id=claim.code_id, replaced=always, candidate=candidate, counts=after)
            if more:
                yield after_replacing(after, more, code_id=claim.code_id), [*always, *more]

    def _held_of_code(self, claim: Claim) -> int:
        return 0 if claim.code_id is None else self._held_by_code[claim.request.project, claim.code_id]

    def add(self, hold: SimpleNamespace) -> None:
        """Note a decided request for a hold. The place of an accepted request counts from now on.

        Beside its columns, the request says whether its voucher is exclusive.
        """
        self._new.append(hold)
        if hold.status == HoldStatus.OPEN:
            self._held[hold.project, hold.voucher_id] += 1
            if hold.code_id is not None:
                self._held_by_code[hold.project, hold.code_id] += 1
            self._index(hold)
            self._on_subscription[hold.project, hold.subscription][hold.id] = hold

    def close(self, hold: HeldPlaceRow, status: HoldStatus, *, redemption_id: UUID | None = None) -> None:
        """Note the new status of a hold. The held place counts no longer."""
        key = (hold.project, hold.voucher_id)
        if self._by_customer[key, hold.customer].pop(hold.id, None) is not None:
            del self._by_subscription[key, hold.subscription]
            self._held[key] -= 1
            if hold.code_id is not None:
                self._held_by_code[hold.project, hold.code_id] -= 1
        self._on_subscription[hold.project, hold.subscription].pop(hold.id, None)
        self._closed[hold.id] = (hold, status, redemption_id)

    def write(self, session: Session) -> None:
        """Write the noted changes, in at most three statements."""
        new = {each.id: each for each in self._new}
        closed = []
        for hold, status, redemption_id in self._closed.values():
            if hold.id in new:
                # Made and replaced by the same batch: the hold is inserted with the last status.
                new[hold.id].status, new[hold.id].closed_at = status.value, self.at
            else:
                closed.append((hold, status, redemption_id))
        changed: defaultdict[VoucherKey, int] = defaultdict(int)
        for hold in self._new:
            if hold.status == HoldStatus.OPEN:
                changed[hold.project, hold.voucher_id] += 1
        for hold, _, _ in closed:
            if hold.status == HoldStatus.OPEN:
                changed[hold.project, hold.voucher_id] -= 1
        # Closed before new holds are added, because of the unique index on open holds of a subscription.
        if closed:
            rows = [(hold.project, hold.id, status, redemption_id) for hold, status, redemption_id in closed]
            close_holds(session, closed=rows, closed_at=self.at)
        if self._new:
            add_holds(session, rows=self._new)
        if changed:
            change_held(session, changed=[(*key, count) for key, count in changed.items()])


def _held_of_customer_and_code(own: Mapping[UUID, HeldPlaceRow], *, candidate: Candidate, code_id: UUID | None) -> int:
    # A customer can have thousands of holds. They are read only if the code limits its customers.
    is_limited = candidate.code is not None and candidate.code.maximum_redemptions_per_customer is not None
    return count_of_code(own.values(), code_id) if is_limited else 0


def _confirmable(
    session: Session, open_holds: Sequence[HeldPlaceRow], *, claims: Sequence[Claim], at: datetime
) -> dict[CallerKey, AcceptedHoldRow]:
    ids = {each.key for each in claims}
    open_ids = ((each.project, each.request_id) for each in open_holds if each.expires_at > at)
    keys = [key for key in open_ids if key in ids]
    # Read again with all columns, which few holds of a batch need.
    holds = find_holds(session, keys=keys) if keys else {}
    return {key: hold for key, hold in holds.items() if is_accepted(hold)}
