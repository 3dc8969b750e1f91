"""The stored changes of discounts at the end of a run, compared with what callers were told."""

from collections import Counter
from collections.abc import Iterator

from tests.faults.discount_changes import CHANGING, DiscountChanges, accepted_changes, changes_of
from tests.faults.finding import Finding
from tests.faults.history import History, Json
from tests.faults.stored_rows import StoredDiscount, StoredRows


def changes_that_contradict(history: History, stored: StoredRows) -> Iterator[Finding]:
    """Find discounts whose stored changes, subscription or duration are not those that callers were told."""
    known = changes_of(history)
    untold = {key[2] for key, askings in history.by_key.items() if key[0] in CHANGING and key not in history.decisions}
    projects = {each.answer["id"]: each.key[1] for each in accepted_changes(history)}
    for discount in {*known.changes, *stored.discounts}:
        row = stored.discounts.get(discount)
        if row is None:
            yield Finding("effect lost", (projects.get(discount), discount), f"{known.changes[discount]}")
            continue
        yield from _differences(discount, row, told=known.changes.get(discount, []), untold=untold)
        if len(row.changes) == len(known.changes.get(discount, ())) and not _is_as_told(discount, row, known):
            yield Finding("row differs from the answer", discount, f"{row}, told {known.changes.get(discount)}")


def _differences(discount: str, row: StoredDiscount, *, told: list[Json], untold: set[str]) -> Iterator[Finding]:
    expected = [(each["kind"], each["note"]) for each in told]
    if list(row.changes[: len(expected)]) != expected:
        yield Finding("row differs from the answer", discount, f"{row}, told {told}")
    for change, count in Counter(row.changes).items():
        if count > 1 and change[1] is not None:
            yield Finding("change done twice", discount, f"{change} {count} times in {row}")
    for _, note in row.changes[len(expected) :]:
        if note not in untold:
            yield Finding("effect without a request", discount, f"{note} in {row}")


def _is_as_told(discount: str, row: StoredDiscount, known: DiscountChanges) -> bool:
    """Return whether the row is where the latest change of each kind, or else the redemption, has left it."""
    latest = {each["kind"]: each["to"] for each in known.changes.get(discount, ())}
    redemption = known.redemptions.get(discount)
    subscription = redemption.answer["subscription"] if redemption else row.subscription
    duration = next(iter(latest["extended"].values())) if "extended" in latest else row.duration
    return (row.subscription, row.duration) == (latest.get("moved", {}).get("subscription", subscription), duration)
