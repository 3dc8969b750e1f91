"""Mutants of replays: a repetition gets the first answer, and another body a conflict."""

from tests.mutants.mutant import TWINS, Mutant

BATCH = "tasks/redemptions/batch.py"
REDEEMING = ("tests/redemptions/test_redeem.py", "tests/redemptions/test_redeem_many.py")

MUTANTS = [
    Mutant(
        "stored redemptions are not replayed",
        "A request that was decided before gets the first answer.",
        BATCH,
        "        answer = self.replay(claim)\n        if answer is None:\n            answer = self.judge(claim)",
        "        answer = self.judge(claim)\n        if answer is not None:",
        REDEEMING,
    ),
    Mutant(
        "a fingerprint is not compared in a batch",
        "Another body under the same id is a conflict.",
        "tasks/wire/replay.py",
        "        return known[1] if known[0] == fingerprint else conflict()",
        "        return known[1]",
        REDEEMING,
    ),
    Mutant(
        "a fingerprint is not compared in a write",
        "Another body under the same id is a conflict.",
        "tasks/wire/replay.py",
        "        return answer if stored.fingerprint == fingerprint else conflict()",
        "        return answer",
        ("tests/vouchers/test_update_replays.py",),
    ),
    Mutant(
        "the answer of a write is not stored",
        "A write is done once for each request id.",
        "tasks/wire/replay.py",
        '    if not answer.get("retryable"):\n        add_answer(',
        '    if answer.get("retryable"):\n        add_answer(',
        ("tests/vouchers/test_update_replays.py",),
    ),
    Mutant(
        "a request id and a delivery id are the same key",
        "A caller's request id never meets the id of a delivery.",
        "tasks/wire/replay.py",
        'return None if delivery is None else f"{_DELIVERY}{delivery}"',
        'return None if delivery is None else f"{_REQUEST}{delivery}"',
        (
            "tests/customers/test_repeated_erasures.py",
            "tests/vouchers/test_update_replays.py",
            "tests/codes/test_adding.py",
        ),
    ),
    Mutant(
        "stored answers of any project are replayed",
        "A request id belongs to a project.",
        "models/write_answer.py",
        "        columns.project == project, columns.task == task, columns.key == key",
        "        columns.task == task, columns.key == key",
        ("tests/vouchers/test_update_replays.py", *TWINS),
    ),
    Mutant(
        "stored answers of any task are replayed",
        "A request id belongs to a task.",
        "models/write_answer.py",
        "        columns.project == project, columns.task == task, columns.key == key",
        "        columns.project == project, columns.key == key",
        ("tests/vouchers/test_update_replays.py", *TWINS),
    ),
]
