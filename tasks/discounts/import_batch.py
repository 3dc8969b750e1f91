"""A batch of discounts of another system: lock and read once, decide each in memory, and write once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from sqlalchemy.orm import Session

from domain.caps import caps_of
from domain.discount_import import ImportRefusal, first_refusal, refusal_of_amounts
from domain.value_class import value
from models.base import ids_at, read_clock
from models.discounts.discount import DiscountStatus, add_begun_discounts, read_as_added
from models.discounts.imported import ImportedDiscountRow, add_imported, find_imported
from models.discounts.locks import lock_discounts_and_running
from models.discounts.row_types import NewDiscountRow
from models.discounts.subscription import lock_subscriptions
from models.redemptions.redemption import add_redemptions, find_redemptions
from models.redemptions.row_types import RedemptionRow
from models.vouchers.budget import BudgetKey, lock_budgets, spend_budgets
from models.vouchers.counters import count_matched, count_redemptions
from models.vouchers.look_up import VoucherKey, lock_vouchers
from models.vouchers.total import total_minor_of
from models.vouchers.values import price_discount_of
from tasks.discounts.begun import (
    Begun,
    begun,
    begun_discount,
    import_request_id,
    imported_discount,
    new_discount,
    redemption_of,
)
from tasks.discounts.import_answers import import_answer, import_refused
from tasks.discounts.imported_places import ImportedPlaces, read_places
from tasks.discounts.messages import ImportDiscount
from tasks.discounts.room import Room, place_of
from tasks.wire.answers import Answer
from tasks.wire.errors import InvalidRequest
from tasks.wire.replay import CallerKey, FirstAnswers

# Two bodies with the same reference have different terms.
BodyKey = tuple[CallerKey, bytes]


@value
class Asked:
    """A request with the project and the reference, and the hash of the body."""

    request: ImportDiscount
    key: CallerKey
    fingerprint: bytes


class ImportBatch:
    """The decisions on a batch of discounts, and the rows to write. Each decision counts all earlier decisions."""

    def __init__(
        self,
        *,
        now: datetime,
        first_answers: FirstAnswers,
        places: Mapping[VoucherKey, ImportedPlaces],
        terms: Mapping[BodyKey, NewDiscountRow],
        room: Room,
        budgets_left: Mapping[BudgetKey, int],
    ) -> None:
        self.now = now
        self.first_answers = first_answers
        self.places = places
        self.terms = terms
        self.room = room
        # In minor units by currency.
        self.budgets_left: defaultdict[VoucherKey, dict[str, int]] = defaultdict(dict)
        for (project, voucher_id, currency), left in budgets_left.items():
            self.budgets_left[project, voucher_id][currency] = left
        self.spent = Counter[BudgetKey]()
        self.redemptions = list[RedemptionRow]()
        self.discounts = list[dict[str, Any]]()
        self.imported = list[ImportedDiscountRow]()

    @classmethod
    def locked(cls, session: Session, asked: Sequence[Asked]) -> Self:
        """Lock the vouchers, the subscriptions, their running discounts and the budgets, in the order of all tasks."""
        requests = [each.request for each in asked]
        vouchers = lock_vouchers(session, keys={(each.project, each.voucher) for each in requests})
        subscriptions = {(each.project, each.subscription) for each in requests}
        lock_subscriptions(session, keys=subscriptions)
        beside = lock_discounts_and_running(session, keys=(), subscriptions=subscriptions)
        budgets = {(each.project, each.voucher, currency) for each in requests for currency in each.taken}
        budgets_left = lock_budgets(session, keys=budgets) if budgets else {}
        # The instant of the decision is after every wait for a lock.
        now = read_clock(session)
        first_answers = _first_answers(session, requests)
        return cls(
            now=now,
            first_answers=first_answers,
            places=read_places(session, vouchers, now=now),
            terms=_terms(session, [each for each in asked if not first_answers.knows(each.key)], now=now),
            room=Room.read(session, beside=beside, subscriptions=subscriptions, at=now),
            budgets_left=budgets_left,
        )

    def decide(self, asked: Asked) -> Answer | InvalidRequest:
        """Return the first answer to a reference, a conflict if the body was different, or decide a new one."""
        request = asked.request
        known = self.first_answers.replay(
            asked.key,
            fingerprint=asked.fingerprint,
            conflict=lambda: import_refused(request, ImportRefusal.IDEMPOTENCY_CONFLICT),
        )
        if known is not None:
            return known
        places = self.places.get((request.project, request.voucher))
        if places is None:
            return import_refused(request, ImportRefusal.VOUCHER_NOT_FOUND)
        discount = begun(request, row=self.terms[asked.key, asked.fingerprint], today=self.now.date())
        errors = discount.errors(now=self.now)
        if errors:
            return InvalidRequest(errors)
        refusal = self._refusal(discount, places=places)
        if refusal is not None:
            return import_refused(request, refusal)
        answer = self._take_over(discount, places=places, fingerprint=asked.fingerprint)
        self.first_answers.add(asked.key, fingerprint=asked.fingerprint, answer=answer)
        return answer

    def _refusal(self, discount: Begun, *, places: ImportedPlaces) -> ImportRefusal | None:
        row = discount.row
        left = self.budgets_left[row.project, row.voucher_id] if row.has_budget else None
        caps = caps_of(maximum_minor=row.maximum_discount_minor, budget_left_minor=left)
        taken = discount.request.taken
        reasons = [
            places.refusal(now=self.now),
            refusal_of_amounts(price_discount_of(row), total_minor=total_minor_of(row), caps=caps, taken=taken),
        ]
        # What is over takes no room on its subscription.
        if discount.status is DiscountStatus.RUNNING:
            of_room = self.room.refusal(place_of(row))
            reasons.append(None if of_room is None else ImportRefusal(of_room.value))
        return first_refusal(reasons)

    def _take_over(self, discount: Begun, *, places: ImportedPlaces, fingerprint: bytes) -> Answer:
        row = discount.row
        if discount.status is DiscountStatus.RUNNING:
            self.room.take(place_of(row))
        if row.has_budget:
            for currency, amount in discount.request.taken.items():
                self.budgets_left[row.project, row.voucher_id][currency] -= amount
                self.spent[row.project, row.voucher_id, currency] += amount
        redemption = redemption_of(
            discount, fingerprint=fingerprint, code=places.row.code, number=places.take(), at=self.now
        )
        imported = imported_discount(discount, at=self.now)
        self.redemptions.append(redemption)
        self.discounts.append(begun_discount(discount, at=self.now))
        self.imported.append(imported)
        return import_answer(imported, redemption=redemption)

    def write(self, session: Session) -> None:
        """Write all decisions, in the same number of statements for a batch of any size."""
        if not self.imported:
            return
        add_redemptions(session, rows=self.redemptions)
        add_begun_discounts(session, rows=self.discounts)
        add_imported(session, rows=self.imported)
        new = [(*key, each.new) for key, each in self.places.items() if each.new]
        count_redemptions(session, granted=new, decided_at=self.now)
        count_matched(session, matched=[(*key, each.matched) for key, each in self.places.items() if each.matched])
        if self.spent:
            spend_budgets(session, spent=self.spent)


def _first_answers(session: Session, requests: Iterable[ImportDiscount]) -> FirstAnswers:
    refs = {(each.project, import_request_id(each.ref)): each.ref for each in requests}
    stored = find_redemptions(session, keys=refs)
    imported = find_imported(session, keys=[(each.project, each.id) for each in stored.values()])
    answers = {}
    for (project, request_id), redemption in stored.items():
        row = imported.get((project, redemption.id))
        # Whoever redeemed under such an id has sent another body.
        answer = {} if row is None else import_answer(row, redemption=redemption)
        answers[project, refs[project, request_id]] = (redemption.fingerprint, answer)
    return FirstAnswers(answers)


def _terms(session: Session, asked: Iterable[Asked], *, now: datetime) -> dict[BodyKey, NewDiscountRow]:
    """Return the discount that each new request would add, if its voucher exists."""
    new = {(each.key, each.fingerprint): each.request for each in asked}
    if not new:
        return {}
    # They have the instant of the import, so that lists are in that order.
    ids = dict(zip(ids_at(now), new, strict=False))
    rows = read_as_added(session, rows=[new_discount(new[key], id=id_) for id_, key in ids.items()])
    return {ids[row.id]: row for row in rows}
