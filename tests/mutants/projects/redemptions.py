"""Mutants of the project conditions of redemptions, holds, sweeps and discounts."""

from tests.mutants.projects.condition import without_conditions

MUTANTS = [
    *without_conditions(
        "models/redemptions/open_holds.py",
        "A hold belongs to a project.",
        {
            "holds of any project are on a subscription": '«AND project COLLATE "{LOOK_UP_COLLATION}" '
            "= keys.project»\n",
            "a hold is exclusive if any project's voucher is": "WHERE «vouchers.project = hold.project AND »",
        },
    ),
    *without_conditions(
        "models/redemptions/hold.py",
        "A hold belongs to a project.",
        {"holds of any project are closed": ".where(«HOLDS.c.project == _CLOSED.c.project, »"},
    ),
    *without_conditions(
        "models/redemptions/hold_listing.py",
        "A list of holds is that of a project.",
        {
            "holds of any project are listed": '«AND project COLLATE "{collation}" = :project »AND status',
            "lapsed holds of any project are listed": "«AND project = :project »AND {position}",
        },
    ),
    *without_conditions(
        "models/redemptions/refused_holds.py",
        "A refused hold belongs to a project.",
        {"refused holds of any project are explained": '«AND project COLLATE "C" = :project »AND reason'},
    ),
    *without_conditions(
        "models/redemptions/listing.py",
        "A list of redemptions is that of a project.",
        {
            "redemptions of any project are listed": '{owner} «project COLLATE "{collation}" = :project AND »{outcome}',
            "redemptions of any project are listed by discounts": 'WHERE «project COLLATE "POSIX" = :project AND »',
            "discounts of any project's owner list redemptions": '{owner} «project COLLATE "C" = :project AND »status',
            "discounts on any project's subscription list redemptions": "WHERE subscription = :subscription «AND "
            'project COLLATE "{LOOK_UP_COLLATION}" = :project»\n',
            "moves of any project list redemptions": "WHERE from_subscription = :subscription «AND "
            'project COLLATE "{LOOK_UP_COLLATION}" = :project»\n',
        },
    ),
    *without_conditions(
        "models/redemptions/other_discount.py",
        "Another discount of a customer is one of the project.",
        {
            "the discount of any project's redemption is named": "FROM discounts WHERE "
            "«project = redemption.project AND »"
        },
    ),
    *without_conditions(
        "models/redemptions/redemption.py",
        "A customer's places are those of a project.",
        {
            "redemptions of any project's customer count": '    .where(«REDEMPTIONS.c.project.collate("C") == '
            "_CUSTOMERS.c.project»)\n",
            "redemptions by any project's code count": '    .where(«REDEMPTIONS.c.project.collate("C") == '
            "_CODES.c.project»)\n",
            "a place that any project returned does not count": "        .where(«RETURNED_PLACES.c.project == "
            "REDEMPTIONS.c.project»)\n",
        },
    ),
    *without_conditions(
        "models/redemptions/returned_place.py",
        "A place returns in its project.",
        {
            "the cycles of any project's import count": "WHERE «imported.project = discounts.project AND »",
            "purchases are reversed by any project": "WHERE «usage_reversals.project = usage_entries.project\n"
            "                  AND »",
            "the place of any project's discount returns": "FROM discounts WHERE «project = keys.project AND »id",
            "the place of any project's redemption returns": 'WHERE «project COLLATE "C" = discount.project AND »',
            "a charge-back of any project keeps the place": "WHERE «project = keys.project AND »discount_id = keys.id",
        },
    ),
    *without_conditions(
        "models/retention/pruning.py",
        "What is pruned is old in its project.",
        {
            "dead letters of any project are pruned": "WHERE «dead_letters.project = old.project AND »",
            "attempts of any project are pruned": "WHERE «attempts.project = gone.project AND »",
        },
    ),
    *without_conditions(
        "models/sweeps/expiry.py",
        "A sweep changes what is due in its project.",
        {
            "a sweep locks the vouchers of any project's holds": "and_(«VOUCHERS.c.project == HOLDS.c.project, »",
            "a sweep returns held places in any project": "    .where(«VOUCHERS.c.project == "
            "_LAPSED_BY_VOUCHER.c.project, »",
        },
    ),
]
