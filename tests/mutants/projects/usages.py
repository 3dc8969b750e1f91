"""Mutants of the project conditions of usages and forecasts."""

from tests.mutants.projects.condition import READS, without_conditions

MUTANTS = [
    *without_conditions(
        "models/usages/by_customer.py",
        "The customers of a voucher are those of its project.",
        {
            "customers of any project were granted it": 'WHERE «project COLLATE "C" = :project AND »voucher_id = '
            ":voucher_id AND reason IS NULL AND customer {",
            "usage of any project's customers is recorded": "WHERE «project = :project AND »voucher_id = :voucher_id "
            "AND reason IS NULL AND customer {",
            "the customer of any project's discount is named": "FROM discounts WHERE «project = :project AND »id = :id",
            "the customer of any project's entry is named": "    WHERE «project = :project AND »id = :id AND "
            "voucher_id = :voucher_id AND reason",
            "redemptions of any project are grants": 'WHERE «project COLLATE "C" = :project AND »voucher_id = '
            ":voucher_id AND customer =",
            "a grant is as old as an import of any project": "WHERE «imported.project = :project AND »",
            "discounts of any project are grants": "WHERE «project = :project AND »id = granted.id",
            "the first entry is one of any project": "WHERE «project = :project AND »voucher_id = :voucher_id "
            "AND reason IS NULL AND customer = customers.customer\n        ORDER",
            "stamps of any project are listed": "WHERE «project = :project AND »voucher_id = :voucher_id "
            "AND reason IS NULL AND customer = customers.customer\n              AND stamp",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/usages/history.py",
        "The history of a customer is that of the project.",
        {
            "amounts of any project are in a history": "FROM usage_entries\n        WHERE «project = :project AND »",
            "reversals of any project are in a history": "FROM usage_reversals\n"
            "        WHERE «project = :project AND »",
            "entries of any project are in a history": "FROM usage_records\n        WHERE «project = :project AND »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/usages/recorded_usage.py",
        "An erased entry is one of its project.",
        {
            "an erased entry of any project is found": "ON «record.project = erasure.project AND »record.customer",
            "erasures of any project are tried": "WHERE «erasure.project = :project AND »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/vouchers/forecast.py",
        "A forecast is that of a project.",
        {
            "a forecast leaves out what any project gave back": "    NOT EXISTS (\n"
            "        SELECT FROM usage_reversals\n"
            "        WHERE «usage_reversals.project = usage_entries.project\n              AND »usage_reversals",
            "a forecast subtracts credits of any project": "coalesce(-sum(amount_minor), 0) FROM usage_reversals\n"
            "        WHERE «usage_reversals.project = usage_entries.project\n              AND »usage_reversals",
            "a forecast counts cycles of any project again": "WHERE «usage_entries.project = "
            "imported_discounts.project\n                         AND »usage_entries",
            "a forecast adds imports of any project": "is_imported «AND imported_discounts.project = "
            "discounts.project»",
            "a forecast is of the running discounts of any project": "WHERE «project = :project AND »status = "
            "'running'",
            "a forecast sums amounts of any project": "WHERE «usage_entries.project = running.project AND »discount_id",
            "a forecast has the grants of any project": 'WHERE «redemptions.project COLLATE "C" = :project AND »'
            "redemptions.voucher_id",
            "a forecast has the cycles of any project's grants": "WHERE «discounts.project = :project AND »"
            "discounts.id",
            "a forecast sums amounts of any project's grants": "WHERE «usage_entries.project = :project AND »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/vouchers/ramp_forecast.py",
        "A forecast is that of a project.",
        {
            "the subtotal of any project's invoice is a base": "WHERE «invoice_discounts.project = "
            "usage_entries.project\n                   AND »",
            "a forecast sums a ramp's amounts of any project": "AS of_phase\n"
            "        WHERE «usage_entries.project = ramp.project AND »",
            "a forecast sums what any project's ramp used": "AS used FROM usage_entries\n"
            "        WHERE «usage_entries.project = ramp.project AND »",
            "ramps of any project are averaged together": "PARTITION BY «ramp.project, »",
            "a forecast has the ramps of any project's grants": "WHERE «discounts.project = :project AND »",
        },
        tests=READS,
    ),
]
