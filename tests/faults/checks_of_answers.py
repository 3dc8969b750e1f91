"""Checks of every request, whatever it asks for: one answer, the same at every asking, and no failure."""

from collections.abc import Iterator

from tests.faults.finding import Finding
from tests.faults.history import Asking, History


def unanswered(history: History) -> Iterator[Finding]:
    """Find askings without an outcome."""
    for each in history.askings:
        if each.state is None:
            yield Finding("no answer", each.key, f"sent at {each.sent_at:.3f}")


def answers_that_differ(history: History) -> Iterator[Finding]:
    """Find requests with two final answers, apart from the reversal of an invoice."""
    for key, askings in history.by_key.items():
        final = [each for each in askings if each.is_final]
        for each in final[1:]:
            if each.lasting_answer != final[0].lasting_answer:
                yield Finding("two answers", key, f"{final[0].answer} at first, then {each.answer}")
                break


def final_answers_taken_back(history: History) -> Iterator[Finding]:
    """Find requests that were told a final answer, and later another answer that is not final."""
    for key, decision in history.decisions.items():
        for each in history.by_key[key]:
            if each.is_answered and not each.is_final and each.sent_at > decision.told_at and not is_conflict(each):
                yield Finding("answer taken back", key, f"{decision.answer} at first, then {each.answer}")


def failures(history: History) -> Iterator[Finding]:
    """Find tasks that failed, though their request was valid."""
    for each in history.askings:
        if each.state is None or each.is_answered or each.is_poison or _is_true_failure(history, each):
            continue
        yield Finding(_name_of_failure(history, each), each.key, f"{each.state}: {each.answer}")


def _name_of_failure(history: History, asking: Asking) -> str:
    """Return whether the request had its answer before the failure, or got one later, or never.

    A request that was answered later may have been committed before or after the failure.
    """
    decision = history.decisions.get(asking.key)
    if decision is None:
        return "failure"
    is_told_before = asking.answered_at is not None and decision.told_at <= asking.answered_at
    return "failure of what is committed" if is_told_before else "failure of what was answered later"


def _is_true_failure(history: History, asking: Asking) -> bool:
    """Return whether a maximum could not be lowered, because more may have been redeemed or held before."""
    maximum = asking.request.get("restrictions", {}).get("maximumRedemptions")
    if asking.task != "vouchers.update" or maximum is None or "InvalidRequest" not in str(asking.answer):
        return False
    voucher = asking.request["voucher"]
    held = (each for each in history.decided("hold") if each.reason is None and each.voucher == voucher)
    places = [each for each in (*history.accepted(voucher), *held) if each.sent_at < (asking.answered_at or 0)]
    # A hold that was confirmed under its own id has one place.
    return len({each.key[1:] for each in places}) > int(maximum)


def invalid_items(history: History) -> Iterator[Finding]:
    """Find items of bulk tasks that were answered as invalid."""
    for each in history.askings:
        if each.is_answered and each.answer and each.answer.get("outcome") == "invalid":
            yield Finding("failure", each.key, f"invalid: {each.answer}")


def conflicts(history: History) -> Iterator[Finding]:
    """Find requests that were refused as a conflict, though every asking had the same body."""
    for key, askings in history.by_key.items():
        for each in askings:
            bodies = [other.request for other in askings if other.task == each.task]
            if is_conflict(each) and all(body == each.request for body in bodies):
                yield Finding("conflict with itself", key, f"{each.request}")


def is_conflict(asking: Asking) -> bool:
    """Return whether the answer says that the id was used with another body."""
    return asking.reason == "idempotency_conflict"
