"""Mutants of recorded usage and stamp cards."""

from tests.mutants.mutant import TWINS, Mutant

RECORD, RECORDED = "tasks/usages/record.py", "models/usages/recorded_usage.py"
RECORDING = ("tests/usages/test_record.py", "tests/usages/test_record_stamps.py")
AT_ONCE = ("tests/usages/test_record_concurrency.py",)

MUTANTS = [
    Mutant(
        "recording does not lock the voucher",
        "The stamps of a card are collected one after the other.",
        RECORD,
        'voucher = found(lock_vouchers(session, keys=[key]).get(key), "voucher")',
        "from models.vouchers.look_up import read_vouchers\n\n"
        '    voucher = found(read_vouchers(session, keys=[key]).get(key), "voucher")',
        AT_ONCE,
    ),
    Mutant(
        "an entry is not compared with its first body",
        "Another body under the same reference is a conflict.",
        RECORD,
        "        is_same = stored.fingerprint == fingerprint\n",
        "        is_same = bool(fingerprint)\n",
        RECORDING,
    ),
    Mutant(
        "entries of any project are replayed",
        "A reference belongs to a project.",
        RECORDED,
        "    WHERE project = :project AND voucher_id = :voucher_id AND customer = :customer AND ref_digest",
        "    WHERE voucher_id = :voucher_id AND customer = :customer AND ref_digest",
        TWINS,
    ),
    Mutant(
        "stamps of any project are collected",
        "A stamp card belongs to a project.",
        RECORDED,
        "            USAGE_RECORDS.c.project == project,\n            USAGE_RECORDS.c.voucher_id == voucher_id,\n"
        "            USAGE_RECORDS.c.customer == customer,\n            USAGE_RECORDS.c.reason",
        "            USAGE_RECORDS.c.voucher_id == voucher_id,\n"
        "            USAGE_RECORDS.c.customer == customer,\n            USAGE_RECORDS.c.reason",
        TWINS,
    ),
    Mutant(
        "a card grants without its last stamp",
        "A card grants its discount when it is complete.",
        RECORD,
        "stamps_on_card(card, entries=entries, at=at) >= card.stamps:",
        "stamps_on_card(card, entries=entries, at=at) >= card.stamps - 1:",
        RECORDING,
    ),
    Mutant(
        "a used card grants again",
        "The stamps of a completed card are used.",
        RECORDED,
        "completed_card=row.discount_id is not None)",
        "completed_card=False)",
        RECORDING,
    ),
    Mutant(
        "a card is not needed",
        "Only a completed card grants the voucher.",
        "models/vouchers/values.py",
        "needs_stamp_card=row.stamps_required is not None,",
        "needs_stamp_card=False,",
        RECORDING,
    ),
    Mutant(
        "an entry is as old as the last one",
        "The stamps of a customer are in the order of their instants.",
        RECORD,
        "at = max(now, entries[-1].at + TICK) if entries else now",
        "at = now",
        RECORDING,
    ),
]
