"""Mutants of the limit of unknown codes: the window, the locks, the order in a batch."""

from tests.mutants.mutant import Mutant

REDEEM = "tasks/redemptions/redeem.py"
ATTEMPTS = "tasks/redemptions/attempts.py"
FAILED = "models/redemptions/failed_attempts.py"
GUESSING = ("tests/redemptions/test_attempts_limits.py", "tests/redemptions/test_attempts.py")

MUTANTS = [
    Mutant(
        "unknown codes are not counted before the decision",
        "Two batches at once never allow a customer twice as many codes.",
        REDEEM,
        "Attempts.lock(session, claims, is_decided=batch.first_answers.knows, now=batch.decided_at)",
        "Attempts.read(session, claims, now=batch.decided_at)",
        GUESSING,
    ),
    Mutant(
        "unknown codes of holds are not counted",
        "Holds count as redemptions do.",
        "tasks/redemptions/reserve.py",
        "    batch.attempts = Attempts.lock(\n",
        "    Attempts.lock(\n",
        GUESSING,
    ),
    Mutant(
        "unknown codes are counted in any order",
        "Two batches that count for the same customers never deadlock.",
        FAILED,
        ".order_by(_TRIED.c.project, _TRIED.c.customer)",
        ".order_by(_TRIED.c.project.desc(), _TRIED.c.customer.desc())",
        GUESSING,
    ),
    Mutant(
        "unknown codes of any project are forgotten",
        "A sweep forgets the counts that are due, and no others.",
        FAILED,
        "FAILED_ATTEMPTS.c.project == _DUE.c.project, FAILED_ATTEMPTS.c.customer == _DUE.c.customer",
        "FAILED_ATTEMPTS.c.customer == _DUE.c.customer",
        GUESSING,
    ),
    Mutant(
        "a customer waits at the end of the window",
        "Unknown codes count for the window, its last instant exclusive.",
        FAILED,
        '    .where(FAILED_ATTEMPTS.c.began_at > bindparam("since", type_=Instant))\n',
        '    .where(FAILED_ATTEMPTS.c.began_at >= bindparam("since", type_=Instant))\n',
        GUESSING,
    ),
    Mutant(
        "a count goes on at the end of the window",
        "Unknown codes count for the window, its last instant exclusive.",
        FAILED,
        '_GOES_ON = FAILED_ATTEMPTS.c.began_at > bindparam("since", type_=Instant)',
        '_GOES_ON = FAILED_ATTEMPTS.c.began_at >= bindparam("since", type_=Instant)',
        GUESSING,
    ),
    Mutant(
        "a count is not forgotten at the end of the window",
        "A count is forgotten when it no longer counts.",
        FAILED,
        '    .where(FAILED_ATTEMPTS.c.began_at <= bindparam("until", type_=Instant))\n',
        '    .where(FAILED_ATTEMPTS.c.began_at < bindparam("until", type_=Instant))\n',
        GUESSING,
    ),
    Mutant(
        "forgetting waits for a customer who guesses",
        "A sweep skips what others have locked.",
        FAILED,
        "    .with_for_update(skip_locked=True)\n",
        "    .with_for_update()\n",
        GUESSING,
    ),
    Mutant(
        "a customer may try one more code",
        "A customer may try as many unknown codes as the setting says.",
        ATTEMPTS,
        "self._counts.get(customer, 0) >= self._max",
        "self._counts.get(customer, 0) > self._max",
        GUESSING,
    ),
    Mutant(
        "the unknown codes of a batch are not counted in its order",
        "A code after the last allowed one of a batch is not looked at.",
        ATTEMPTS,
        "            self._counts[customer] = self._counts.get(customer, 0) + 1\n",
        "            pass\n",
        GUESSING,
    ),
    Mutant(
        "the unknown codes of a batch count twice",
        "A batch may try as many unknown codes as single requests.",
        ATTEMPTS,
        "self._counts |= {key: number - tried[key] for key, number in counted.items()}",
        "self._counts |= dict(counted)",
        GUESSING,
    ),
    Mutant(
        "a repetition counts as an unknown code",
        "A message that is delivered twice counts once.",
        ATTEMPTS,
        "if is_unknown(each) and not is_decided(each.key)}",
        "if is_unknown(each)}",
        GUESSING,
    ),
    Mutant(
        "customers who have to wait are locked",
        "A flood of one customer delays nobody.",
        ATTEMPTS,
        "tried = Counter(key for key in unknown.values() if not attempts.must_wait(key))",
        "tried = Counter(unknown.values())",
        GUESSING,
    ),
    Mutant(
        "a count begins anew with each batch",
        "Unknown codes are counted together for the window.",
        FAILED,
        "case((_GOES_ON, FAILED_ATTEMPTS.c.attempts), else_=0)",
        "case((_GOES_ON, 0), else_=0)",
        GUESSING,
    ),
    Mutant(
        "the window begins anew with each batch",
        "A customer waits for the rest of the window, not for a new one.",
        FAILED,
        '"began_at": case((_GOES_ON, FAILED_ATTEMPTS.c.began_at), else_=_INSERT.excluded.began_at),',
        '"began_at": _INSERT.excluded.began_at,',
        GUESSING,
    ),
    Mutant(
        "codes that were only validated are not counted",
        "A validation tells as much about a code as a redemption.",
        ATTEMPTS,
        "    if tried and settings().unknown_codes_max:\n        with transaction()",
        "    if not tried and settings().unknown_codes_max:\n        with transaction()",
        GUESSING,
    ),
]
