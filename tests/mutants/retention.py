"""Mutants of pruning and of erasing customers."""

from tests.mutants.mutant import TWINS, Mutant

PRUNING, ERASURE, ERASE = ("models/retention/pruning.py", "models/customers/erasure.py", "tasks/customers/erase.py")
PRUNED = ("tests/retention/test_prune_instants.py", "tests/retention/test_prune.py")
ERASED, REPEATED = ("tests/customers/test_erase.py",), ("tests/customers/test_repeated_erasures.py",)

MUTANTS = [
    Mutant(
        "a refused redemption is pruned at its instant",
        "A row is kept for as long as the setting says.",
        PRUNING,
        "AND reason IS NOT NULL AND id < :id AND decided_at < :before",
        "AND reason IS NOT NULL AND decided_at <= :before",
        PRUNED,
    ),
    Mutant(
        "an accepted redemption is pruned",
        "An accepted redemption is kept for ever.",
        PRUNING,
        "AND reason IS NOT NULL AND id < :id AND decided_at < :before",
        "AND id < :id AND decided_at < :before",
        PRUNED,
    ),
    Mutant(
        "redemptions of any project are pruned",
        "Pruning deletes what is old, and nothing of the same id in another project.",
        PRUNING,
        "    WHERE redemptions.project = old.project AND redemptions.request_id = old.request_id\n",
        "    WHERE redemptions.request_id = old.request_id\n",
        PRUNED,
    ),
    Mutant(
        "a refused hold is pruned at its instant",
        "A row is kept for as long as the setting says.",
        PRUNING,
        "status = 'refused' AND created_at < :before",
        "status = 'refused' AND created_at <= :before",
        PRUNED,
    ),
    Mutant(
        "holds of any project are pruned",
        "Pruning deletes what is old, and nothing of the same id in another project.",
        PRUNING,
        "    WHERE holds.project = old.project AND holds.request_id = old.request_id\n",
        "    WHERE holds.request_id = old.request_id\n",
        PRUNED,
    ),
    Mutant(
        "a stored answer is pruned at its instant",
        "A row is kept for as long as the setting says.",
        PRUNING,
        "write_answers WHERE created_at < :before",
        "write_answers WHERE created_at <= :before",
        PRUNED,
    ),
    Mutant(
        "stored answers of any project are pruned",
        "Pruning deletes what is old, and nothing of the same id in another project.",
        PRUNING,
        "    WHERE write_answers.project = old.project AND write_answers.task",
        "    WHERE write_answers.task",
        PRUNED,
    ),
    Mutant(
        "a dead letter is pruned at its instant",
        "A row is kept for as long as the setting says.",
        PRUNING,
        "dead_letters WHERE died_at < :before",
        "dead_letters WHERE died_at <= :before",
        PRUNED,
    ),
    Mutant(
        "an erasure that goes on takes another pseudonym",
        "An interrupted erasure goes on with the same pseudonym.",
        ERASURE,
        '        set_={\n            "request_keys": case(\n',
        '        set_={\n            "pseudonym": begun.excluded.pseudonym,\n            "request_keys": case(\n',
        ERASED,
    ),
    Mutant(
        "a running erasure forgets who asked for it first",
        "Each request for an erasure has its effect once.",
        ERASURE,
        "else_=columns.request_keys + new",
        "else_=new",
        REPEATED,
    ),
    Mutant(
        "an erasure begins although another copy has ended it",
        "A repeated request erases no new customer of the same name.",
        ERASE,
        "    if _first_answer(session, request, key=key) is not None:\n",
        "    if False:\n",
        REPEATED,
    ),
    Mutant(
        "a request id is answered for any customer",
        "Nobody is told that a customer is erased who is not.",
        ERASE,
        "    return answer if is_same else",
        "    return answer if answer else",
        REPEATED,
    ),
    Mutant(
        "an erasure does not lock the vouchers of codes",
        "An erasure waits for whoever decides about a voucher.",
        ERASE,
        "    lock_vouchers(session, keys={(erasure.project, each) for each in ids})\n",
        "    list(ids)\n",
        ERASED,
    ),
    Mutant(
        "grants of any project are erased",
        "A customer is one of a project.",
        ERASE,
        "    discounts = lock_discounts_by_id(session, keys=[(erasure.project, each) for each in ids])\n",
        '    discounts = lock_discounts_by_id(session, keys=[("twin of gigs", each) for each in ids])\n',
        (*TWINS, *ERASED),
    ),
]
