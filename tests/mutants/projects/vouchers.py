"""Mutants of the project conditions of vouchers, codes, stored answers and attempts."""

from tests.mutants.projects.condition import ERASURES, without_conditions

MUTANTS = [
    *without_conditions(
        "models/codes/look_up.py",
        "A code belongs to a project.",
        {
            "the terms of any project's code are read": "and_(«_NAMED.c.project == _WANTED.c.project, »",
            "codes of any project are found by their ids": "and_(«CODES.c.project == _KEYS.c.project, »",
            "codes of any project have a text": "and_(«CODES.c.project.collate(LOOK_UP_COLLATION) == project, »",
        },
    ),
    *without_conditions(
        "models/codes/text_holders.py",
        "A text belongs to a code of its project.",
        {
            "the code of any project that has a text is read": "and_(«CODES.c.project == _TEXTS.c.project, »",
            "vouchers of any project have a code": "CODES.c.voucher_id).where(\n"
            "        «CODES.c.project.collate(LOOK_UP_COLLATION) == project, »",
            "the end of any project's voucher is read": "and_(«VOUCHERS.c.project == CODES.c.project, »",
        },
    ),
    *without_conditions(
        "models/codes/generation.py",
        "A generation belongs to a project.",
        {
            "texts of any project are taken": ".where(«CODES.c.project.collate(LOOK_UP_COLLATION) == "
            'bindparam("project", type_=Text())»)',
            "generations of any project are found by their ids": "where(«GENERATIONS.c.project == project, »"
            "GENERATIONS.c.id == id)\n    return session.execute(stored)",
            "generations of any project are locked": "where(«GENERATIONS.c.project == project, »"
            "GENERATIONS.c.id == id)\n    return session.execute(row",
        },
    ),
    *without_conditions(
        "models/codes/counters.py",
        "Places return to the codes of a project.",
        {
            "full codes of all projects come back one by one": "PARTITION BY «code.project, »",
            "a text is taken in any project": '«holder.project COLLATE "{LOOK_UP_COLLATION}" = code.project\n'
            "                         AND »lower",
            "places are counted of the codes of any project": "WHERE «project = places.project AND »",
        },
    ),
    *without_conditions(
        "models/codes/listing.py",
        "A list of codes is that of a project.",
        {"codes of any project are listed": "        «CODES.c.project == listing.project,\n        »position >"},
    ),
    *without_conditions(
        "models/codes/primary.py",
        "A voucher has the code of its project.",
        {
            "a retired primary code of any project is found": "and_(«CODES.c.project.collate(LOOK_UP_COLLATION) == "
            "project, »",
            "codes of any project are spelled anew": "where(«CODES.c.project == project, »CODES.c.id",
        },
    ),
    *without_conditions(
        "models/codes/retirement.py",
        "A code is retired in its project.",
        {"codes of any project are retired without their text": "where(«CODES.c.project == project, »CODES.c.id"},
    ),
    *without_conditions(
        "models/vouchers/look_up.py",
        "A voucher belongs to a project.",
        {
            "whole vouchers of any project are read": "and_(VOUCHERS.c.id == _KEYS.c.id«, VOUCHERS.c.project == "
            "_KEYS.c.project»)",
            "vouchers of any project's deliveries are found": "and_(«VOUCHERS.c.project == _CREATED_BY.c.project, »",
        },
    ),
    *without_conditions(
        "models/vouchers/counters.py",
        "The counters of a voucher are those of its project.",
        {"matched places of any project are counted": ".where(«VOUCHERS.c.project == _MATCHED.c.project, »"},
    ),
    *without_conditions(
        "models/vouchers/listing.py",
        "A list of vouchers is that of a project.",
        {"vouchers of any project are listed": "WHERE «project{collation} = :project AND »id >= :lowest"},
    ),
    *without_conditions(
        "models/vouchers/numbered_pages.py",
        "A list of vouchers is that of a project.",
        {"numbered pages have the vouchers of any project": "[«VOUCHERS.c.project == project, »"},
    ),
    *without_conditions(
        "models/vouchers/writes.py",
        "A voucher expires in its project.",
        {"vouchers of any project expire": ".where(«VOUCHERS.c.project == _EXPIRED.c.project, »"},
    ),
    *without_conditions(
        "models/intake/dead_letter.py",
        "A dead letter belongs to a project.",
        {
            "dead letters of any project are erased": "select(DEAD_LETTERS)«.where(DEAD_LETTERS.c.project."
            'collate("C") == project)».order_by',
        },
        tests=ERASURES,
    ),
    *without_conditions(
        "models/intake/attempt.py",
        "The attempts at a message are those of its project.",
        {"an attempt of any project is taken back": ".where(«ATTEMPTS.c.project == project, »"},
    ),
]
