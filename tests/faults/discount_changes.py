"""Where each discount was and when, and its changes in their order, as far as the answers of a run tell it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf

from tests.faults.history import Asking, Decision, History, Json, Key

CHANGING = {"move", "extension"}


@dataclass(kw_only=True, slots=True)
class Stay:
    """A time on a subscription: that in which the discount may have been there, and that in which it surely was."""

    discount: str
    subscription: str
    may_since: float
    sure_since: float
    sure_until: float = inf
    may_until: float = inf

    def may_overlap(self, since: float, until: float) -> bool:
        """Return whether the discount may have been there at some instant between these."""
        return self.may_since < until and self.may_until > since

    def surely_covers(self, since: float, until: float) -> bool:
        """Return whether the discount was there all the time between these instants."""
        return self.sure_since < since and self.sure_until > until


class DiscountChanges:
    """The stays and the changes of all discounts of a history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.redemptions = {
            each.answer["discount"]: each for each in history.decided("redemption") if each.reason is None
        }
        # As created.
        self.vouchers = {each.answer["id"]: each.answer for each in history.decided("voucher")}
        # The longest history of a discount has them all.
        self.changes: dict[str, list[Json]] = {}
        for each in accepted_changes(history):
            known = self.changes.setdefault(each.answer["id"], [])
            if len(changes_in(each.answer)) > len(known):
                self.changes[each.answer["id"]] = changes_in(each.answer)

    @cached_property
    def of_discount(self) -> dict[str, list[Stay]]:
        """The stays of each discount, in their order. Those of moves that nobody was told of come last."""
        untold: defaultdict[str, list[Asking]] = defaultdict(list)
        for key, askings in self.history.by_key.items():
            if key[0] == "move" and key not in self.history.decisions:
                untold[askings[0].request["discount"]].append(askings[0])
        return {
            discount: list(self._stays(discount, redemption, untold[discount]))
            for discount, redemption in self.redemptions.items()
        }

    @cached_property
    def on_subscription(self) -> dict[tuple[str, str], list[Stay]]:
        """The stays on each subscription of a voucher, by both ids."""
        grouped: defaultdict[tuple[str, str], list[Stay]] = defaultdict(list)
        for discount, stays in self.of_discount.items():
            for each in stays:
                grouped[self.voucher_of(discount), each.subscription].append(each)
        return grouped

    def voucher_of(self, discount: str) -> str:
        """Return the voucher of a discount that was redeemed in the history."""
        return self.redemptions[discount].voucher or ""

    def asked_change(self, change: Json, *, project: str) -> tuple[Key, list[Asking]]:
        """Return the key and the askings of the request that brought about a change. Its note is the request id."""
        key = ("move" if change["kind"] == "moved" else "extension", project, change["note"] or "")
        return key, self.history.by_key.get(key, [])

    def _stays(self, discount: str, redemption: Decision, untold: list[Asking]) -> Iterator[Stay]:
        subscription = redemption.answer["subscription"]
        stay = Stay(
            discount=discount,
            subscription=subscription,
            may_since=redemption.sent_at,
            sure_since=redemption.told_at,
        )
        leaves_at = min((each.sent_at for each in untold), default=inf)
        for change in self.changes.get(discount, ()):
            if change["kind"] != "moved":
                continue
            key, askings = self.asked_change(change, project=redemption.key[1])
            sent_at = askings[0].sent_at if askings else stay.may_since
            told = self.history.decisions.get(key)
            stay.sure_until, stay.may_until = min(sent_at, leaves_at), told.told_at if told else inf
            yield stay
            stay = Stay(
                discount=discount,
                subscription=change["to"]["subscription"],
                may_since=sent_at,
                sure_since=told.told_at if told else inf,
            )
        stay.sure_until = leaves_at
        yield stay
        for each in untold:
            target = each.request["subscription"]
            yield Stay(discount=discount, subscription=target, may_since=each.sent_at, sure_since=inf)


@lru_cache(maxsize=1)
def changes_of(history: History) -> DiscountChanges:
    """Return the changes of a history, which several checks read."""
    return DiscountChanges(history)


def changes_in(answer: Json) -> list[Json]:
    """Return the changes of a discount that an answer shows, in their order. A grant is no change."""
    return [each for each in answer["history"][::-1] if each["kind"] != "granted"]


def accepted_changes(history: History) -> list[Decision]:
    """Return the accepted moves and extensions."""
    return [each for kind in CHANGING for each in history.decided(kind) if each.reason is None]
