"""The vouchers that a batch of requests names, by their ids or by codes: locked, or only looked at."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from domain.eligibility import Candidate
from models.base import StoredRow
from models.codes.look_up import find_by_code
from models.redemptions.redemption import count_by_customer
from models.vouchers.counters import places_taken
from models.vouchers.look_up import lock_vouchers
from models.vouchers.values import candidate_of
from tasks.redemptions.batch_codes import BatchCode, CodeText, batch_code, ids_of
from tasks.redemptions.messages import Redeem
from worker.database import ChangedMeanwhileError

VoucherKey = tuple[str, UUID]


class ReadVouchers(Protocol):
    """How the rows of vouchers are read: with a lock on each, or without."""

    def __call__(self, session: Session, *, keys: Iterable[VoucherKey]) -> dict[VoucherKey, StoredRow]:
        """This method will return the row of each voucher that there is."""


@dataclass(slots=True)
class BatchVoucher:
    """A locked voucher: its row, and how it stands with what the batch has granted so far."""

    row: StoredRow
    candidate: Candidate
    redemptions: int
    by_customer: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    granted: int = 0

    @classmethod
    def locked(cls, row: StoredRow) -> "BatchVoucher":
        """This method will make one of a row as it stood when it was locked."""
        return cls(row=row, candidate=candidate_of(row), redemptions=row.redemptions)

    @property
    def places_taken(self) -> int:
        """This property will be how many of its places are taken, with what the batch has granted."""
        return places_taken(self.row) + self.granted

    def grant(self, *, customer: str) -> None:
        """This method will count one more redemption, whose number `redemptions` then is."""
        self.by_customer[customer] += 1
        self.granted += 1
        self.redemptions += 1


# A voucher and a code for each request, or None.
VouchersAndCodes = tuple[list[BatchVoucher | None], list[BatchCode | None]]


def look_up_vouchers(
    session: Session, requests: Sequence[Redeem], *, take: ReadVouchers = lock_vouchers
) -> VouchersAndCodes:
    """This function will lock what the requests name and return it, a voucher and a code for each, or None.

    `take` is how the vouchers are read: without a lock by those who only look.
    """
    wanted = [(each.project, each.code.lower()) if each.code else None for each in requests]
    texts = [each for each in wanted if each is not None]
    named = find_by_code(session, codes=texts)
    keys = [_voucher_key(request, text, named) for request, text in zip(requests, wanted, strict=True)]
    rows = take(session, keys=[key for key in keys if key is not None])
    found = find_by_code(session, codes=texts)
    # While this waited for a lock, the code may have gone over to another voucher. Locking that one now would be
    # out of order.
    if ids_of(found) != ids_of(named):
        raise ChangedMeanwhileError
    vouchers = {key: BatchVoucher.locked(row) for key, row in rows.items()}
    codes = {
        text: batch_code(text, row, voucher=vouchers[text[0], row.voucher_id].candidate) for text, row in found.items()
    }
    return [key and vouchers.get(key) for key in keys], [text and codes.get(text) for text in wanted]


def count_earlier_redemptions(
    session: Session, requests: Sequence[Redeem], vouchers: Sequence[BatchVoucher | None]
) -> None:
    """This function will note how often each request's customer has redeemed its voucher, where that is limited.

    ReadVouchers it after the vouchers' locks.
    """
    limited: list[tuple[BatchVoucher, str]] = []
    for request, voucher in zip(requests, vouchers, strict=True):
        if voucher is None or voucher.row.maximum_redemptions_per_customer is None:
            continue
        if request.customer not in voucher.by_customer:
            voucher.by_customer[request.customer] = 0
            limited.append((voucher, request.customer))
    keys = [(voucher.row.project, voucher.row.id, customer) for voucher, customer in limited]
    for (voucher, customer), count in zip(limited, count_by_customer(session, keys=keys), strict=True):
        voucher.by_customer[customer] = count


def _voucher_key(request: Redeem, text: CodeText | None, named: Mapping[CodeText, StoredRow]) -> VoucherKey | None:
    if text is None:
        return None if request.voucher is None else (request.project, request.voucher)
    code = named.get(text)
    return None if code is None else (request.project, code.voucher_id)
