"""The vouchers and codes of a batch: their rows, and the redemptions that the batch has granted so far."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Protocol, Self
from uuid import UUID

from domain.eligibility import Candidate
from models.codes.row_types import CodeTermsRow
from models.codes.values import code_terms_of
from models.vouchers.counters import places_taken
from models.vouchers.look_up import VoucherKey
from models.vouchers.row_types import DecisiveVoucherRow, PlacesRow
from models.vouchers.values import candidate_of


class BatchCodeRow(CodeTermsRow, PlacesRow, Protocol):
    """The columns of a code that a decision needs."""

    project: str
    id: UUID
    voucher_id: UUID
    code: str


@dataclass(slots=True)
class BatchVoucher:
    """A voucher that requests of the batch name."""

    key: VoucherKey
    row: DecisiveVoucherRow
    candidate: Candidate
    granted: int = 0
    # Only for customers of the batch, and only if the voucher limits the redemptions of a customer.
    taken_by_customer: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def from_row(cls, row: DecisiveVoucherRow) -> Self:
        """Return the voucher of a row, before the batch grants anything."""
        return cls(key=(row.project, row.id), row=row, candidate=candidate_of(row))

    @property
    def places_taken(self) -> int:
        """The places of the voucher that are taken, including those that the batch has granted."""
        return places_taken(self.row) + self.granted

    def grant(self, *, customer: str) -> int:
        """Count another redemption, and return the number of that redemption."""
        self.taken_by_customer[customer] += 1
        self.granted += 1
        return self.row.redemptions + self.granted


@dataclass(slots=True)
class BatchCode:
    """A code that requests of the batch name."""

    row: BatchCodeRow
    candidate: Candidate
    granted: int = 0
    # Only for customers of the batch, and only if the code limits the redemptions of a customer.
    taken_by_customer: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def from_row(cls, row: BatchCodeRow, *, voucher: BatchVoucher) -> Self:
        """Return the code of a row, before the batch grants anything. The candidate is the voucher with this code."""
        return cls(row=row, candidate=replace(voucher.candidate, code=code_terms_of(row)))

    @property
    def places_taken(self) -> int:
        """The places of the code that are taken, including those that the batch has granted."""
        return places_taken(self.row) + self.granted

    def grant(self, *, customer: str) -> None:
        """Count another redemption."""
        self.taken_by_customer[customer] += 1
        self.granted += 1
