"""Checks of moves and extensions: each done once, in one order that every answer shows, and refused for a cause."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.faults.discount_changes import DiscountChanges, accepted_changes, changes_in, changes_of
from tests.faults.finding import Finding
from tests.faults.history import Decision, History, Json

UNITS = {"months": "durationInMonths", "cycles": "durationInCycles"}


def changes_done_twice(history: History) -> Iterator[Finding]:
    """Find requests that an answer shows twice in the history of a discount."""
    for each in accepted_changes(history):
        notes = Counter(change["note"] for change in each.answer["history"] if change["note"])
        for note, count in notes.items():
            if count > 1:
                yield Finding("change done twice", each.key, f"{note} {count} times in {each.answer['history']}")


def changes_lost(history: History) -> Iterator[Finding]:
    """Find accepted changes that are not in their own answer, or not in one to a change that was sent afterwards."""
    known = changes_of(history)
    latest: dict[str, list[Decision]] = {}
    for each in sorted(accepted_changes(history), key=lambda each: each.told_at):
        latest.setdefault(each.answer["id"], []).append(each)
    for changes in latest.values():
        for each in changes:
            note = each.request.get("note")
            # A move to where the discount is changes nothing, so it leaves no trace.
            if note is None or (note not in _notes(each) and _is_there_already(known, each)):
                continue
            for shown in (each, *(other for other in changes if other.sent_at > each.told_at)):
                if note not in _notes(shown):
                    yield Finding("change lost", each.key, f"not in {shown.answer['history']} of {shown.key}")
                    break


def _notes(change: Decision) -> set[str]:
    return {each["note"] for each in change.answer["history"]}


def _is_there_already(known: DiscountChanges, change: Decision) -> bool:
    if change.key[0] != "move":
        return False
    moves = [each for each in change.answer["history"] if each["kind"] == "moved"]
    redemption = known.redemptions.get(change.answer["id"])
    came_to = moves[0]["to"]["subscription"] if moves else redemption and redemption.answer["subscription"]
    return bool(came_to == change.request["subscription"])


def histories_that_differ(history: History) -> Iterator[Finding]:
    """Find answers whose history of a discount is not the beginning of the longest one."""
    changes = changes_of(history).changes
    for each in accepted_changes(history):
        told = changes_in(each.answer)
        if told != changes[each.answer["id"]][: len(told)]:
            yield Finding("histories differ", each.key, f"{told}, elsewhere {changes[each.answer['id']]}")


def changes_that_do_not_follow(history: History) -> Iterator[Finding]:
    """Find changes that do not begin where the one before has ended, or that are not what was asked for."""
    known = changes_of(history)
    durations = {voucher: _duration(created) for voucher, created in known.vouchers.items()}
    for discount, changes in known.changes.items():
        redemption = known.redemptions.get(discount)
        if redemption is None:
            continue
        now = {
            "moved": {"subscription": redemption.answer["subscription"]},
            "extended": durations.get(redemption.voucher or "", {}),
        }
        for change in changes:
            _, askings = known.asked_change(change, project=redemption.key[1])
            asked = askings[0].request if askings else None
            if change["from"] != now[change["kind"]] or (asked is not None and not _is_as_asked(change, asked)):
                yield Finding("change does not follow", discount, f"{change}, asked {asked}, before {now}")
            now[change["kind"]] = change["to"]


def _duration(voucher: Json) -> Json:
    return {field: voucher["recurrence"][field] for field in UNITS.values() if voucher["recurrence"].get(field)}


def _is_as_asked(change: Json, asked: Json) -> bool:
    if change["kind"] == "moved":
        return bool(change["to"]["subscription"] == asked["subscription"])
    return any(
        unit in asked and change["to"].get(field, 0) - change["from"].get(field, 0) == asked[unit]
        for unit, field in UNITS.items()
    )


def changes_told_wrongly(history: History) -> Iterator[Finding]:
    """Find answers whose subscription or duration is not that of the latest change in them."""
    for each in accepted_changes(history):
        shown = {"moved": {"subscription": each.answer["subscription"]}, "extended": _duration(each.answer)}
        latest = {change["kind"]: change["to"] for change in changes_in(each.answer)}
        if any(shown[kind] != to for kind, to in latest.items()):
            yield Finding("change told wrongly", each.key, f"{each.answer}")


def changes_refused_and_done(history: History) -> Iterator[Finding]:
    """Find refused changes that are in the history of their discount."""
    done = {change["note"] for changes in changes_of(history).changes.values() for change in changes}
    for kind in ("move", "extension"):
        for each in history.decided(kind):
            if each.reason is not None and each.request.get("note") in done:
                yield Finding("refused and yet done", each.key, f"{each.answer}")


def changes_refused_without_a_cause(history: History) -> Iterator[Finding]:
    """Find refusals of moves and extensions that nothing in the history explains."""
    known = changes_of(history)
    for asking in history.askings:
        if asking.key[0] not in {"move", "extension"} or asking.reason in {None, "idempotency_conflict"}:
            continue
        redemption = known.redemptions.get(asking.request["discount"])
        cause = CAUSES.get(asking.reason or "")
        # The refusal that is told first was decided between the first asking and its answer.
        sent_at = history.by_key[asking.key][0].sent_at if asking.is_final else asking.sent_at
        until = asking.answered_at or asking.sent_at
        if redemption is None or cause is None or not cause(known, asking.request, sent_at, until):
            yield Finding("change refused", asking.key, f"{asking.reason}: {asking.request}")


def _is_completed(known: DiscountChanges, request: Json, _since: float, until: float) -> bool:
    """Return whether the discount can be used up by an invoice: with `once`, a balance, or a maximum in all."""
    voucher = known.vouchers.get(known.voucher_of(request["discount"]))
    return (
        voucher is not None
        and (voucher["recurrence"]["type"] == "once" or voucher["carryOver"] or bool(voucher["maximumDiscountInAll"]))
        and any(
            each["discount"] == request["discount"] and invoice.sent_at < until
            for invoice in known.history.decided("invoice")
            for each in invoice.answer["discounts"]
        )
    )


def _is_applied(known: DiscountChanges, request: Json, since: float, until: float) -> bool:
    place = (known.voucher_of(request["discount"]), request.get("subscription", ""))
    return any(
        each.discount != request["discount"] and each.may_overlap(since, until)
        for each in known.on_subscription.get(place, ())
    )


def _is_held(known: DiscountChanges, request: Json, _since: float, until: float) -> bool:
    voucher = known.voucher_of(request["discount"])
    return any(
        each.reason is None
        and (each.voucher, each.answer["subscription"]) == (voucher, request.get("subscription"))
        and each.sent_at < until
        for each in known.history.decided("hold")
    )


CAUSES: dict[str, Callable[[DiscountChanges, Json, float, float], bool]] = {
    "discount_completed": _is_completed,
    "already_applied": _is_applied,
    "fully_reserved": _is_held,
}
