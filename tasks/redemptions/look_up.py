"""Look up the vouchers and codes that the requests of a batch name, with or without a lock.

A claim is a request with its voucher and its code.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from sqlalchemy.orm import Session

from domain.code_text import look_up_text
from models.codes.look_up import CodeText, find_by_code
from models.codes.row_types import NamedCodeRow
from models.redemptions.redemption import count_taken_by_customer, count_taken_by_customer_and_code
from models.vouchers.look_up import VoucherKey, lock_vouchers, read_vouchers
from models.vouchers.row_types import DecisiveVoucherRow
from tasks.redemptions.batch_vouchers import BatchCode, BatchVoucher
from tasks.redemptions.messages import Redeem
from worker.database import ChangedMeanwhileError

Limited = TypeVar("Limited", BatchVoucher, BatchCode)


class VoucherQuery(Protocol):
    """A query that returns the rows of vouchers, with or without locking them."""

    def __call__(self, session: Session, *, keys: Iterable[VoucherKey]) -> dict[VoucherKey, DecisiveVoucherRow]:
        """Return the row of each voucher that exists."""


class Claim:
    """A request for a place, with the voucher and the code that the request names.

    Several claims of a batch can share a voucher or a code. A decision reads these attributes often, so they are
    computed once.
    """

    __slots__ = (
        "candidate",
        "code",
        "code_id",
        "fingerprint",
        "key",
        "request",
        "subscription",
        "voucher",
        "voucher_id",
    )

    def __init__(
        self, request: Redeem, *, fingerprint: bytes, voucher: BatchVoucher | None, code: BatchCode | None
    ) -> None:
        self.request = request
        self.fingerprint = fingerprint
        self.voucher = voucher
        self.code = code
        # The project and the request id.
        self.key = (request.project, request.request_id)
        # The project and the subscription.
        self.subscription = (request.project, request.subscription)
        # The voucher for the rules, with the code if the request names a code.
        self.candidate = code.candidate if code else voucher.candidate if voucher else None
        # None if there is no such voucher.
        self.voucher_id = voucher.key[1] if voucher else None
        # None if the request names the voucher's id or an unknown code.
        self.code_id = code.row.id if code else None

    @property
    def code_text(self) -> str | None:
        """The text of the named code, or else of the voucher's own code. Without a voucher, the text as sent."""
        named = self.code or self.voucher
        return named.row.code if named else self.request.code


def lock_claims(session: Session, requests: Sequence[Redeem]) -> list[Claim]:
    """Lock the vouchers that requests name, by id or by code, and return a claim for each request.

    Raises ChangedMeanwhileError if a code was handed to another voucher during the wait for a lock.
    """
    return _look_up(session, requests, query=lock_vouchers)


def read_claims(session: Session, requests: Sequence[Redeem]) -> list[Claim]:
    """Return the same as `lock_claims`, without a lock: for decisions that write nothing."""
    return _look_up(session, requests, query=read_vouchers)


def count_customers_places(session: Session, claims: Sequence[Claim]) -> None:
    """Count the places that the customers of a batch have of vouchers, and by codes, with a limit for each customer.

    Call it after locking the vouchers.
    """
    _count_of_vouchers(session, claims)
    _count_of_codes(session, claims)


def _count_of_vouchers(session: Session, claims: Sequence[Claim]) -> None:
    counted = _not_counted((each.voucher, each.request.customer) for each in claims)
    keys = [(*voucher.key, customer) for voucher, customer in counted]
    _note(counted, taken=count_taken_by_customer(session, keys=keys))


def _count_of_codes(session: Session, claims: Sequence[Claim]) -> None:
    counted = _not_counted((each.code, each.request.customer) for each in claims)
    keys = [(code.row.project, code.row.voucher_id, customer, code.row.id) for code, customer in counted]
    _note(counted, taken=count_taken_by_customer_and_code(session, keys=keys))


def _not_counted(named: Iterable[tuple[Limited | None, str]]) -> list[tuple[Limited, str]]:
    """Return each voucher or code with a limit for each customer, once with each customer."""
    found: list[tuple[Limited, str]] = []
    for each, customer in named:
        if each is None or each.row.maximum_redemptions_per_customer is None:
            continue
        if customer not in each.taken_by_customer:
            each.taken_by_customer[customer] = 0
            found.append((each, customer))
    return found


def _note(counted: Sequence[tuple[BatchVoucher | BatchCode, str]], *, taken: Iterable[int]) -> None:
    for (each, customer), places in zip(counted, taken, strict=True):
        each.taken_by_customer[customer] = places


def _look_up(session: Session, requests: Sequence[Redeem], *, query: VoucherQuery) -> list[Claim]:
    # Computed before the locks, so that no other transaction waits for the fingerprints.
    fingerprints = [each.fingerprint() for each in requests]
    texts = [_code_text(each) for each in requests]
    wanted = [each for each in texts if each is not None]
    before_locks = find_by_code(session, codes=wanted)
    keys = [_voucher_key(request, text, before_locks) for request, text in zip(requests, texts, strict=True)]
    rows = query(session, keys=[each for each in keys if each is not None])
    named = find_by_code(session, codes=wanted)
    # During the wait for a lock, a code may have gone over to another voucher. Locking that voucher now would break the
    # order of locks.
    if _ids(named) != _ids(before_locks):
        raise ChangedMeanwhileError
    vouchers = {key: BatchVoucher.from_row(row) for key, row in rows.items()}
    codes = {
        text: BatchCode.from_row(row, voucher=vouchers[row.project, row.voucher_id]) for text, row in named.items()
    }
    return [
        Claim(
            request,
            fingerprint=fingerprint,
            voucher=None if key is None else vouchers.get(key),
            code=None if text is None else codes.get(text),
        )
        for request, fingerprint, key, text in zip(requests, fingerprints, keys, texts, strict=True)
    ]


def _code_text(request: Redeem) -> CodeText | None:
    text = None if request.code is None else look_up_text(request.code)
    return None if text is None else (request.project, text)


def _voucher_key(request: Redeem, text: CodeText | None, named: Mapping[CodeText, NamedCodeRow]) -> VoucherKey | None:
    if text is None:
        return None if request.voucher is None else (request.project, request.voucher)
    code = named.get(text)
    return None if code is None else (request.project, code.voucher_id)


def _ids(named: Mapping[CodeText, NamedCodeRow]) -> dict[CodeText, UUID]:
    return {text: row.id for text, row in named.items()}
