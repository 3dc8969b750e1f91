"""Which of a customer's own holds make way for another request of the customer, and what is left beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from uuid import UUID

from domain.eligibility import Candidate, Counts
from domain.hold import shortage
from tasks.redemptions.hold_requests import Hold


def after_replacing(counts: Counts, holds: Sequence[Hold], *, code_id: UUID | None) -> Counts:
    """This function will return a counts as it is once those holds of the customer's have made way."""
    return replace(
        counts,
        held=counts.held - len(holds),
        held_by_customer=counts.held_by_customer - len(holds),
        held_by_code=counts.held_by_code - _count_of_code(holds, code_id),
    )


def fewest_to_replace(
    own: Mapping[UUID, Hold],
    *,
    code_id: UUID | None,
    aside: Sequence[Hold],
    candidate: Candidate,
    counts: Counts,
) -> list[Hold]:
    """This function will return the holds that make way, those by the same code first; none where all are too few."""
    missing = shortage(candidate, counts=counts)
    if missing.places > len(own) - len(aside):
        return []
    here = {each.id for each in aside}
    of_code = (each for each in own.values() if each.code_id == code_id and each.id not in here)
    others = (each for each in own.values() if each.code_id != code_id and each.id not in here)
    chosen = list(islice(chain(of_code, others), missing.places))
    return chosen if _count_of_code(chosen, code_id) >= missing.by_code else []


def _count_of_code(holds: Sequence[Hold], code_id: UUID | None) -> int:
    return sum(each.code_id == code_id for each in holds)
