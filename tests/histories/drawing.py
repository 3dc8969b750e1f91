"""Random histories: Hypothesis strategies for fields. The world is small, so that requests meet."""

from typing import Any

from hypothesis import strategies as st

from tests.histories.placeholders import Again, Changed, Fresh, Item, Json, Minutes


def one_in(count: int, strategy: st.SearchStrategy) -> st.SearchStrategy:
    """Draw from the strategy once in so many times, and None otherwise."""
    return st.sampled_from([False] * (count - 1) + [True]).flatmap(lambda given: strategy if given else st.none())


def body(**fields: st.SearchStrategy) -> st.SearchStrategy[Json]:
    """Draw a JSON object, and leave out fields that are None."""
    return st.fixed_dictionaries(fields).map(
        lambda drawn: {key: each for key, each in drawn.items() if each is not None}
    )


def either(*values: Any) -> st.SearchStrategy:
    """Draw a value. A repeated value is drawn more often."""
    return st.sampled_from(values)


def mostly(*, usual: bool) -> st.SearchStrategy[bool]:
    """Draw a truth value, the usual value nine times in ten."""
    return st.sampled_from([usual] * 9 + [not usual])


def fresh_or_repeated(bodies: st.SearchStrategy[Json]) -> st.SearchStrategy[Item]:
    """Draw a request: usually a fresh request, else an earlier request, or an earlier id with another body."""
    earlier = st.integers(0, 9)
    fresh = st.builds(Fresh, bodies)
    return st.one_of(*[fresh] * 6, st.builds(Again, earlier, st.booleans()), st.builds(Changed, earlier, bodies))


# Beside a field that is left out.
TRUE = st.sampled_from([True])
# The first vouchers are drawn most often, so that their limits are reached.
PLACES = either(0, 0, 0, 1, 1, 2, 3, 4, 5)
PROJECTS = st.sampled_from(["gigs"] * 19 + ["other"])
PRODUCTS = either(
    {"products": ["prod_a"]},
    {"products": ["prod_b"]},
    {"products": ["prod_a", "prod_b"]},
    {"excludedProducts": ["prod_a"]},
    {"excludedProducts": ["prod_b", "prod_c"]},
    {"products": ["prod_a", "prod_c"], "excludedProducts": ["prod_b"]},
)
CURRENCIES = either("USD", "USD", "USD", "EUR", "JPY")
SUBSCRIPTIONS = either("sub_1", "sub_1", "sub_1", "sub_2")
CUSTOMERS = either("cus_1", "cus_1", "cus_2")

# Every instant is past or far ahead, so none passes while a history runs. An instant a few minutes ago is within the
# grace of fifteen minutes. Most windows open or end at BOUNDARY, and most requests are made then.
LONG_AGO, BEFORE, BOUNDARY, AFTER = (Minutes(count) for count in (-30, -12, -8, -4))
FAR_AHEAD, FURTHER_AHEAD = Minutes(60 * 24 * 400), Minutes(60 * 24 * 500)
REQUESTED_AT = st.builds(Minutes, either(-30, -12, -8, -8, -8, -4, 60), either(0, 0, 0, 14, -11))
