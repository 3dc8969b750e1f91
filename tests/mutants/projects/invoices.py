"""Mutants of the project conditions of invoices, their reversals and their reports."""

from tests.mutants.projects.condition import READS, without_conditions

MUTANTS = [
    *without_conditions(
        "models/invoices/report.py",
        "A report sums what happened in its project.",
        {
            "sums are of the vouchers of any project's discounts": "ON «discount.project = summed.project AND »",
            "a report has the sums of any project": '"«project = :project AND »{span}"',
            "a report has the discounts of any project's voucher": "(SELECT id FROM discounts WHERE "
            "«project = :project AND »",
            "a report names the vouchers of any project": "WHERE «project = :project AND »id >= :lowest",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/taken.py",
        "A discount took the amounts of its project.",
        {
            "amounts of any project were taken since": "_OF_KEYS = and_(«USAGE_ENTRIES.c.project == _KEYS.c.project, »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/taken_by_discount.py",
        "A discount took the amounts of its project.",
        {
            "entries of any project are explained": "FROM usage_entries WHERE «project = :project AND »",
            "reversals of any project are explained": "FROM usage_reversals WHERE «project = :project AND »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/given_back.py",
        "A discount gets back the amounts of its project.",
        {
            "reversals of any project give back": "USAGE_ENTRIES, _GIVES_ENTRY_BACK)\n    .where("
            "«USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, »",
            "reversals of any project are credits": "        ),\n    )\n    .where("
            "«USAGE_REVERSALS.c.project == _DISCOUNTS.c.project, »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/discounted_cycles.py",
        "A discount counts the cycles of its project.",
        {
            "a cycle is on the subscription of any project's invoice": "            «INVOICE_DISCOUNTS.c.project == "
            "USAGE_ENTRIES.c.project,\n            »INVOICE",
            "the phases of any project's cycles are found": ".where(«USAGE_ENTRIES.c.project == _OF_RAMPS.c.project, »",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/listing.py",
        "A list of invoices is that of a project.",
        {
            "invoices of any project are listed": '«AND project COLLATE "{collation}" = :project »AND {at}',
            "the reversals of any project's invoice are shown": "WHERE «project = :project AND »invoice",
        },
        tests=READS,
    ),
    *without_conditions(
        "models/invoices/reversal_listing.py",
        "A list of reversals is that of a project.",
        {
            "reversals of any project are listed": '«AND project COLLATE "{collation}" = :project »AND kind',
            "reversals of any project's invoice are listed": "WHERE «project = :project AND »invoice",
        },
        tests=READS,
    ),
]
