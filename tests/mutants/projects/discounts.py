"""Mutants of the project conditions of discounts."""

from tests.mutants.projects.condition import without_conditions

MUTANTS = [
    *without_conditions(
        "models/discounts/listing.py",
        "A list of discounts is that of a project.",
        {
            "discounts of any project are shown": "FROM discounts WHERE «project = :project AND »id = listed.id",
            "the voucher of any project names the currency": "FROM vouchers\n        WHERE «project = :project AND »",
            "the history of any project's discount is shown": "FROM discount_changes\n"
            "            WHERE «project = :project AND »",
            "the import of any project is shown": "WHERE discount.is_imported AND «project = :project AND »",
            "discounts of any project are on a subscription": "WHERE subscription = :subscription «AND project COLLATE "
            '"{collation}" = :project»\n',
            "discounts of any project were ever on it": "WHERE subscription = :subscription «AND project COLLATE "
            '"{LOOK_UP_COLLATION}" = :project»\n',
            "moves of any project were from it": "WHERE from_subscription = :subscription «AND project COLLATE "
            '"{LOOK_UP_COLLATION}" = :project»\n',
            "discounts of any project have a status": 'WHERE «project COLLATE "C" = :project AND »status',
        },
    ),
    *without_conditions(
        "models/discounts/moves_and_extensions.py",
        "A discount was moved and extended in its project.",
        {
            "moves of any project are explained": "        WHERE «project = :project AND »discount_id = listed.id "
            "OFFSET 0\n    ) AS move",
            "extensions of any project are explained": "        WHERE «project = :project AND »discount_id = listed.id "
            "OFFSET 0\n    ) AS extension",
        },
    ),
    *without_conditions(
        "models/discounts/progress.py",
        "A discount is completed in its project.",
        {"discounts of any project are locked to complete": "and_(«DISCOUNTS.c.project == _KEYS.c.project, »"},
    ),
    *without_conditions(
        "models/discounts/subscription.py",
        "A subscription belongs to a project.",
        {"subscriptions of any project are locked": "and_(«SUBSCRIPTIONS.c.project == _KEYS.c.project, »"},
    ),
    *without_conditions(
        "models/discounts/ending.py",
        "A subscription belongs to a project.",
        {
            "discounts on any project's subscription are to end": "«columns.project.collate(LOOK_UP_COLLATION) == "
            "project, »"
        },
    ),
]
