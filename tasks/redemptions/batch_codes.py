"""The codes that a batch of requests names: as they stand behind their vouchers' locks, and what is granted by them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from domain.eligibility import Candidate
from models.base import StoredRow
from models.codes.values import code_terms_of
from models.vouchers.counters import places_taken

# The project and the text in lower case.
CodeText = tuple[str, str]


@dataclass(slots=True)
class BatchCode:
    """A code whose voucher is locked: its row, and what the batch has granted by it so far."""

    project: str
    row: StoredRow
    candidate: Candidate
    granted: int = 0

    @property
    def redemptions(self) -> int:
        """This method will return how many of the code's places are taken, with what the batch has granted."""
        return places_taken(self.row) + self.granted


def batch_code(text: CodeText, row: StoredRow, *, voucher: Candidate) -> BatchCode:
    """This function will return a code with what the rules need to know of it and of its voucher."""
    return BatchCode(project=text[0], row=row, candidate=replace(voucher, code=code_terms_of(row)))


def ids_of(rows: Mapping[CodeText, StoredRow]) -> dict[CodeText, UUID]:
    """This function will return which code each text names."""
    return {text: row.id for text, row in rows.items()}
