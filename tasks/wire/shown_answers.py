"""The result of a task as logs, events and Flower show it: the outcome and the reason, or counts, and nothing else.

Every word comes from a closed set of the contract, and every number counts items. So no amount, code or id can appear.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic.alias_generators import to_camel

from domain.credit import CreditRefusal
from domain.discount_change import ChangeRefusal
from domain.discount_import import ImportRefusal
from domain.eligibility import Refusal
from domain.hold import HoldRefusal
from domain.reversal import ReversalRefusal
from domain.voucher_update import UpdateRefusal
from models.sweeps.recorded_sweep import COUNTS

OUTCOMES = frozenset(
    {"accepted", "applied", "ended", "erased", "imported", "invalid", "recorded", "refused", "reversed"}
)
REFUSALS = (Refusal, HoldRefusal, UpdateRefusal, ChangeRefusal, ImportRefusal, ReversalRefusal, CreditRefusal)
REASONS = frozenset(reason.value for refusal in REFUSALS for reason in refusal)
# Stands for a word that is not in the contract.
OTHER = "other"
# For answers without an outcome.
READ, DONE = "read", "done"
SWEEP_COUNTS = tuple(map(to_camel, COUNTS))
AUDIT_COUNTS = ("checks", "violations")
PRUNING_COUNTS = ("refused", "deadLetters", "answers", "erasureKeys")
# What is shown of an answer that consists of counts, by its object.
COUNTED = {"sweep": SWEEP_COUNTS, "audit": AUDIT_COUNTS, "pruning": PRUNING_COUNTS}


def shown_answer(answer: object, *, otherwise: str) -> str:
    """Return what is shown of an answer, such as `refused already_applied` or `accepted 3, invalid 1`.

    `otherwise` is shown of an answer that has neither an outcome nor items: READ or DONE.
    """
    items: object = answer
    if isinstance(answer, Mapping):
        if "outcome" in answer:
            return _words(answer)
        if (names := COUNTED.get(str(answer.get("object")))) is not None:
            return ", ".join(f"{name} {_count(answer.get(name))}" for name in names)
        items = answer.get("items")
    return _counts(items) if isinstance(items, list) else otherwise


def _words(answer: Mapping[str, object]) -> str:
    outcome, reason = _known(answer.get("outcome"), OUTCOMES), answer.get("reason")
    return outcome if reason is None else f"{outcome} {_known(reason, REASONS)}"


def _known(word: object, words: frozenset[str]) -> str:
    return word if isinstance(word, str) and word in words else OTHER


def _counts(items: Sequence[object]) -> str:
    outcomes = [each for each in items if isinstance(each, Mapping) and "outcome" in each]
    if not outcomes:
        return f"items {len(items)}"
    counts = Counter(map(_words, outcomes))
    if others := len(items) - len(outcomes):
        counts[OTHER] += others
    return ", ".join(f"{words} {count}" for words, count in counts.most_common())


def _count(value: object) -> int | str:
    return value if type(value) is int else OTHER
