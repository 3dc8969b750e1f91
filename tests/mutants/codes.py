"""Mutants of codes: their texts, their retirement and their generation."""

from tests.mutants.mutant import TWINS, Mutant

HOLDERS = "tasks/codes/text_holders.py"
GENERATE = "tasks/codes/generate.py"
GENERATION = "models/codes/generation.py"
CODE_LOOK_UP = "models/codes/look_up.py"
UPDATING_AT_ONCE = ("tests/vouchers/test_update_locks.py", "tests/vouchers/test_update_concurrency.py")
CREATING_AT_ONCE = ("tests/vouchers/test_create_and_retire_concurrency.py",)
CODES_AT_ONCE = ("tests/codes/test_code_concurrency.py",)
GENERATING = ("tests/codes/test_generation.py", *CODES_AT_ONCE)

MUTANTS = [
    Mutant(
        "codes are counted for a generation of any project",
        "A generation belongs to a project.",
        GENERATION,
        "        .where(and_(GENERATIONS.c.project == project, GENERATIONS.c.id == id))\n",
        "        .where(GENERATIONS.c.id == id)\n",
        TWINS,
    ),
    Mutant(
        "the holders of a text are not locked",
        "A text belongs to one available code.",
        HOLDERS,
        "        lock_vouchers(session, keys=locked)\n",
        "",
        (*UPDATING_AT_ONCE, *CREATING_AT_ONCE, *CODES_AT_ONCE),
    ),
    Mutant(
        "the holders of a text are not read again after the locks",
        "A text that somebody takes during a wait is taken.",
        HOLDERS,
        "        lock_vouchers(session, keys=locked)\n        ends = _ends_of_holders(",
        "        lock_vouchers(session, keys=locked)\n        _ends_of_holders(",
        (*CREATING_AT_ONCE, *UPDATING_AT_ONCE, *CODES_AT_ONCE),
    ),
    Mutant(
        "a holder that nobody has locked is retired",
        "A code is retired under the lock of its voucher.",
        HOLDERS,
        "    if not {_voucher_key(row) for row, _ in replaceable} <= locked:\n        raise ChangedMeanwhileError\n",
        "",
        (*UPDATING_AT_ONCE, *CREATING_AT_ONCE),
    ),
    Mutant(
        "a code of any project has a text",
        "A text belongs to a project.",
        "models/codes/text_holders.py",
        "        _available.c.project.collate(LOOK_UP_COLLATION) == _TEXTS.c.project,\n",
        "",
        TWINS,
    ),
    Mutant(
        "a code of any project is named",
        "A text belongs to a project.",
        CODE_LOOK_UP,
        "    CODES.c.project.collate(LOOK_UP_COLLATION) == _WANTED.c.project, func",
        "    func",
        TWINS,
    ),
    Mutant(
        "a code of any project is found by its id",
        "A code belongs to a project.",
        CODE_LOOK_UP,
        "select(CODES).where(CODES.c.project == project, CODES.c.id == id)",
        "select(CODES).where(CODES.c.id == id)",
        TWINS,
    ),
    Mutant(
        "codes of any project are retired",
        "A code belongs to a project.",
        "models/codes/retirement.py",
        "    .where(CODES.c.project == _RETIRED.c.project, CODES.c.id == _RETIRED.c.id, CODES",
        "    .where(CODES.c.id == _RETIRED.c.id, CODES",
        TWINS,
    ),
    Mutant(
        "a retired code is retired again",
        "The first retirement of a code stays.",
        "models/codes/retirement.py",
        "CODES.c.id == _RETIRED.c.id, CODES.c.retired_reason.is_(None))",
        "CODES.c.id == _RETIRED.c.id)",
        ("tests/codes/test_code_retirement.py",),
    ),
    Mutant(
        "places return to codes of any project",
        "A place returns in its project.",
        "models/codes/counters.py",
        "    WHERE codes.project = returned.project AND codes.id = returned.id\n",
        "    WHERE codes.id = returned.id\n",
        TWINS,
    ),
    Mutant(
        "a returned place takes another code's text",
        "A text belongs to one available code.",
        "models/codes/counters.py",
        "AND lower(holder.code) = lower(code.code) AND holder.retired_reason IS NULL\n",
        "AND false\n",
        ("tests/discounts/test_end_subscription_places.py",),
    ),
    Mutant(
        "a primary code of any project is found",
        "A code belongs to a project.",
        "models/codes/primary.py",
        "own.where(CODES.c.project == project, CODES.c.retired_reason.is_(None))",
        "own.where(CODES.c.retired_reason.is_(None))",
        TWINS,
    ),
    Mutant(
        "generations of any project go on",
        "A request id belongs to a project.",
        GENERATION,
        "select(*_COLUMNS).where(GENERATIONS.c.project == project, GENERATIONS.c.key == key)",
        "select(*_COLUMNS).where(GENERATIONS.c.key == key)",
        TWINS,
    ),
    Mutant(
        "a generation is not locked",
        "Two deliveries of a generation make its codes once.",
        GENERATION,
        "    return session.execute(row.with_for_update(key_share=True)).one()",
        "    return session.execute(row).one()",
        GENERATING,
    ),
    Mutant(
        "a chunk does not lock the voucher",
        "Two deliveries of a generation make its codes once.",
        GENERATE,
        "    lock_vouchers(session, keys=[(request.project, request.voucher)])\n    generation = lock",
        "    generation = lock",
        GENERATING,
    ),
    Mutant(
        "a generation is begun twice",
        "A generation is begun once for each request id.",
        GENERATE,
        "    lock_vouchers(session, keys=[(request.project, request.voucher)])\n    key = write",
        "    key = write",
        GENERATING,
    ),
    Mutant(
        "a generation goes on with another body",
        "Another body under the same id is a conflict.",
        GENERATE,
        "    if generation.fingerprint != request.fingerprint():",
        "    if not generation.fingerprint:",
        GENERATING,
    ),
    Mutant(
        "generated codes may be taken",
        "A generated code whose text was taken meanwhile is left out.",
        GENERATION,
        "    .on_conflict_do_nothing(\n"
        "        index_elements=[CODES.c.project.collate(LOOK_UP_COLLATION), func.lower(CODES.c.code)],\n"
        "        index_where=CODES.c.retired_reason.is_(None),\n    )\n",
        "",
        GENERATING,
    ),
    Mutant(
        "generated codes are inserted in any order",
        "Two transactions with the same codes never deadlock.",
        GENERATION,
        '.order_by(func.lower(_FREE.c.code).collate("C")),',
        '.order_by(func.lower(_FREE.c.code).collate("C").desc()),',
        GENERATING,
    ),
]
