"""Which of a customer's own holds make way for another request of the customer, and what is left beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from uuid import UUID

from domain.eligibility import Candidate, Standing
from domain.hold import shortage
from tasks.held_requests import Hold


def without(standing: Standing, holds: Sequence[Hold], *, code_id: UUID | None) -> Standing:
    """This function will return a standing as it is once those holds of the customer's have made way."""
    return replace(
        standing,
        held=standing.held - len(holds),
        held_by_customer=standing.held_by_customer - len(holds),
        held_by_code=standing.held_by_code - _count_of_code(holds, code_id),
    )


def as_few_as_will_do(
    own: Mapping[UUID, Hold],
    *,
    code_id: UUID | None,
    aside: Sequence[Hold],
    candidate: Candidate,
    standing: Standing,
) -> list[Hold]:
    """This function will return the holds that make way, those by the same code first; none where all are too few."""
    missing = shortage(candidate, standing=standing)
    if missing.places > len(own) - len(aside):
        return []
    here = {each.id for each in aside}
    of_code = (each for each in own.values() if each.code_id == code_id and each.id not in here)
    others = (each for each in own.values() if each.code_id != code_id and each.id not in here)
    chosen = list(islice(chain(of_code, others), missing.places))
    return chosen if _count_of_code(chosen, code_id) >= missing.by_code else []


def _count_of_code(holds: Sequence[Hold], code_id: UUID | None) -> int:
    return sum(each.code_id == code_id for each in holds)
