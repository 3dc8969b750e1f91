"""Mutants of the project conditions of erasures."""

from tests.mutants.projects.condition import ERASURES, without_conditions

MUTANTS = [
    *without_conditions(
        "models/customers/recorded.py",
        "An erasure renames the recorded usage of its project.",
        {
            "usage of any project is renamed": "AS requests (ref, old, new)\n"
            "    WHERE «project = :project AND »voucher_id",
            "requests of any project's cards are renamed": "WHERE «redemptions.project = :project AND »",
        },
        tests=ERASURES,
    ),
    *without_conditions(
        "models/customers/renaming.py",
        "An erasure renames the customer in the rows of its project.",
        {
            "discounts of any project are found to rename": 'customer = :customer «AND project COLLATE "C" = :project »'
            "AND created_at <= :until\n          AND NOT EXISTS",
            "an import of any project makes a discount young": "is_imported AND «imported.project = :project AND »",
            "codes of any project are found to rename": "WHERE «project = :project AND »customer = :customer AND "
            "created_at <= :until ORDER",
            "holds of any project are found to rename": 'customer = :customer «AND project COLLATE "POSIX" = :project »'
            "AND status <>",
            "refused holds of any project are found to rename": 'customer = :customer «AND project COLLATE "C" = '
            ":project »AND reason IS NOT NULL AND created_at",
            "discounts of any project are renamed": "UPDATE discounts SET customer = :pseudonym WHERE "
            "«project = :project AND »",
            "returned places of any project are renamed": "WHERE «project = :project AND »discount_id = ANY(:ids)",
            "redemptions of any project are renamed": 'WHERE «project COLLATE "POSIX" = :project AND »reason IS NULL',
            "holds of any project are renamed": "WHERE «project = :project AND »request_id = ANY(:requests)",
            "codes of any project are renamed": "codes SET customer = :pseudonym WHERE «project = :project AND »id",
            "refused redemptions of any project are renamed": "WHERE «project = :project AND »request_id = ANY(ARRAY(",
            "refused redemptions of any project are found to rename": "WHERE customer = :customer «AND project COLLATE "
            '"C" = :project »AND reason IS NOT NULL AND decided_at',
            "invoices of any project are renamed": "WHERE «project = :project AND »invoice = ANY(ARRAY(",
            "invoices of any project are found to rename": 'customer = :customer «AND project COLLATE "POSIX" = '
            ":project »AND applied_at",
            "reversals of any project are renamed": "WHERE «project = :project AND »id = ANY(ARRAY(",
        },
        tests=ERASURES,
    ),
    *without_conditions(
        "models/customers/stored_answers.py",
        "An erasure renames the customer in the answers to its project.",
        {
            "answers to any project are renamed": "WHERE «write_answers.project = :project AND »",
            "generations of any project are renamed": "WHERE «project = :project AND »created_at",
        },
        tests=ERASURES,
    ),
    *without_conditions(
        "models/redemptions/failed_attempts.py",
        "An erasure forgets the unknown codes of a customer of its project.",
        {"the unknown codes of a customer are forgotten in any project": "«(columns.project == project) & »"},
        tests=ERASURES,
    ),
]
