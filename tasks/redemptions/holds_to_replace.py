"""Find the fewest holds of a customer that another request of the customer must replace."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from uuid import UUID

from domain.eligibility import Candidate, Counts
from domain.hold import shortage
from models.redemptions.row_types import HeldPlaceRow


def after_replacing(counts: Counts, holds: Sequence[HeldPlaceRow], *, code_id: UUID | None) -> Counts:
    """Return the counts after holds of the request's customer were replaced. `code_id` is that of the request."""
    of_code = count_of_code(holds, code_id)
    return replace(
        counts,
        held=counts.held - len(holds),
        held_by_customer=counts.held_by_customer - len(holds),
        held_by_code=counts.held_by_code - of_code,
        held_by_customer_and_code=counts.held_by_customer_and_code - of_code,
    )


def fewest_to_replace(
    own: Mapping[UUID, HeldPlaceRow],
    *,
    code_id: UUID | None,
    replaced: Sequence[HeldPlaceRow],
    candidate: Candidate,
    counts: Counts,
) -> list[HeldPlaceRow]:
    """Return the fewest holds of a customer that make room for a request, or none if all of them are too few.

    Holds of the request's code come first, then the oldest. `own` are all open holds of the customer, the oldest first.
    `replaced` are the holds among them that `counts` no longer count.
    """
    missing = shortage(candidate, counts=counts)
    if missing.places > len(own) - len(replaced):
        return []
    replaced_ids = {each.id for each in replaced}
    of_code = (each for each in own.values() if each.code_id == code_id and each.id not in replaced_ids)
    others = (each for each in own.values() if each.code_id != code_id and each.id not in replaced_ids)
    chosen = list(islice(chain(of_code, others), missing.places))
    return chosen if count_of_code(chosen, code_id) >= missing.by_code else []


def count_of_code(holds: Iterable[HeldPlaceRow], code_id: UUID | None) -> int:
    """Return how many of the holds are of a code, or of none."""
    return sum(each.code_id == code_id for each in holds)
