"""The ids of redemptions: UUIDv7 that sort by the instant of the decision, to the microsecond."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.base import first_id_at, ids_at

TICK = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Up to the year 2999.
INSTANTS = st.integers(min_value=0, max_value=32_503_679_999_999_999).map(lambda number: EPOCH + number * TICK)


@given(INSTANTS)
def test_ids_sort_by_their_instant(instant):
    """And those of one instant ascend."""
    ids = list(islice(ids_at(instant), 1_000))
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert first_id_at(instant) <= ids[0]
    assert ids[-1] < first_id_at(instant + TICK)
    assert {(each.version, each.variant) for each in ids} == {(7, "specified in RFC 4122")}


def test_the_last_of_the_ids_is_below_the_next_instant():
    """There are 65,536, far more than a batch has."""
    instant = datetime(2027, 1, 1, tzinfo=UTC)
    *_, last = islice(ids_at(instant), 65_536)
    assert last < first_id_at(instant + TICK)


def test_two_batches_of_an_instant_have_different_ids():
    """46 bits are random."""
    instant = datetime(2027, 1, 1, tzinfo=UTC)
    assert {*islice(ids_at(instant), 100)}.isdisjoint(islice(ids_at(instant), 100))
