"""The places of vouchers for discounts of another system: those that were imported with a voucher, and new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from domain.discount_import import ImportRefusal, refusal_of_new_place
from models.redemptions.open_holds import count_lapsed
from models.vouchers.counters import places_taken
from models.vouchers.look_up import VoucherKey
from models.vouchers.row_types import DecisiveVoucherRow
from models.vouchers.values import candidate_of


@dataclass(slots=True)
class ImportedPlaces:
    """The places of a locked voucher, and those that a batch has taken of them."""

    row: DecisiveVoucherRow
    held: int
    matched: int = 0
    new: int = 0

    def has_imported_place(self) -> bool:
        """Return whether a redemption that was imported with the voucher is not matched yet."""
        return self.row.imported_matched + self.matched < self.row.imported_redemptions

    def refusal(self, *, now: datetime) -> ImportRefusal | None:
        """Return why there is no place, or None. The limits of a voucher count for new places only."""
        if self.has_imported_place():
            return None
        taken = places_taken(self.row) + self.new
        return refusal_of_new_place(candidate_of(self.row), taken=taken, held=self.held, now=now)

    def take(self) -> int:
        """Take a place, an imported one if there is any, and return the number of the redemption."""
        if self.has_imported_place():
            self.matched += 1
            return self.row.imported_matched + self.matched
        self.new += 1
        return self.row.redemptions + self.new


def read_places(
    session: Session, vouchers: Mapping[VoucherKey, DecisiveVoucherRow], *, now: datetime
) -> dict[VoucherKey, ImportedPlaces]:
    """Return the places of locked vouchers. Without open holds, no statement is sent."""
    held = {key: row.held for key, row in vouchers.items() if row.held}
    if held:
        for key, lapsed in zip(held, count_lapsed(session, keys=list(held), now=now), strict=True):
            held[key] -= lapsed
    return {key: ImportedPlaces(row=row, held=held.get(key, 0)) for key, row in vouchers.items()}
