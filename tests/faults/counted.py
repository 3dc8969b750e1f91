"""How many requests of each kind a run had, so that a person sees if it had enough of each."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.history import Decision, History


def counts_of(history: History) -> Counter[str]:
    """Return the number of decided requests by kind, those that were refused apart."""
    return Counter(kind for decision in history.decisions.values() for kind in _kinds(decision))


def _kinds(decision: Decision) -> Iterator[str]:
    kind, request = decision.key[0], decision.request
    refused = "" if decision.reason is None else " refused"
    yield f"{kind}{refused}"
    if kind == "reversal":
        yield f"{request['kind']}{refused}"
    if "cycle" in request:
        yield f"{kind} with cycle"
    if any("creditOf" in each for each in request.get("lines", ())):
        yield f"{kind} with credits"
