"""Mutants of the intake: first deliveries, poison messages, dead letters, beat's messages and audits."""

from tests.mutants.mutant import Mutant

DECIDE, POISON, SCHEDULE = ("tasks/intake/decide_batch.py", "tasks/intake/poison_messages.py", "worker/schedule.py")
ATTEMPT, DEAD = "models/intake/attempt.py", "models/intake/dead_letter.py"
AUDITS = "models/monitoring/recorded_audit.py"
# Which messages of a batch may be poison.
SUSPECTS = "            if (is_child_lost or each.redelivered or each.retries)\n"
SUSPECTS += "            and each.wrong_queue is None\n"
POISONED = ("tests/intake/test_poison_messages.py",)
BEAT = ("tests/sweeps/test_schedule.py",)

MUTANTS = [
    Mutant(
        "a first delivery is given up",
        "A message that was never delivered before has another attempt.",
        DECIDE,
        "        if attempts > attempts_max and original:\n",
        "        if attempts > attempts_max:\n",
        ("tests/intake/test_first_deliveries.py",),
    ),
    Mutant(
        "a first delivery is a suspect",
        "A first delivery costs nothing, and is decided with all others.",
        POISON,
        SUSPECTS,
        "            if each.wrong_queue is None\n",
        ("tests/intake/test_first_deliveries.py", *POISONED),
    ),
    Mutant(
        "a redelivery is no suspect",
        "A message that has killed workers runs alone in the end.",
        POISON,
        SUSPECTS,
        "            if is_child_lost\n            and each.wrong_queue is None\n",
        POISONED,
    ),
    Mutant(
        "a message in a wrong queue is a suspect",
        "A message in a wrong queue is not decided, so it has no attempts.",
        POISON,
        SUSPECTS,
        "            if is_child_lost or each.redelivered or each.retries\n",
        ("tests/intake/test_first_deliveries.py", *POISONED),
    ),
    Mutant(
        "a message is begun once more",
        "A message that fails alone has three attempts.",
        DECIDE,
        "        if attempts > attempts_max and original:\n",
        "        if attempts > attempts_max + 1 and original:\n",
        POISONED,
    ),
    Mutant(
        "an attempt is not recorded before it starts",
        "A process that dies over a message has recorded the attempt.",
        DECIDE,
        "                self.poison_search.note_together(group)\n",
        "",
        POISONED,
    ),
    Mutant(
        "the attempts of any project are cleared",
        "The id of a message belongs to a project.",
        ATTEMPT,
        "_CLEAR = delete(ATTEMPTS).where(tuple_(ATTEMPTS.c.project, ATTEMPTS.c.task_id).in_(_SENT))",
        "_CLEAR = delete(ATTEMPTS).where(ATTEMPTS.c.task_id.in_(select(_WANTED.c.task_ids)))",
        ("tests/intake/test_first_deliveries.py",),
    ),
    Mutant(
        "attempts together do not add up",
        "The groups of a message shrink with each death.",
        ATTEMPT,
        'set_={"together": ATTEMPTS.c.together + 1,',
        'set_={"together": 1,',
        POISONED,
    ),
    Mutant(
        "attempts alone do not add up",
        "A message that kills its process is given up in the end.",
        ATTEMPT,
        'set_={"alone": ATTEMPTS.c.alone + 1,',
        'set_={"alone": 1,',
        POISONED,
    ),
    Mutant(
        "a dead letter is not locked",
        "A dead letter is sent again once.",
        DEAD,
        "    return session.execute(_found(task_id).with_for_update()).one_or_none()",
        "    return session.execute(_found(task_id)).one_or_none()",
        ("tests/command_line/test_dead_letters_command.py", "tests/intake/test_dead_letter_locks.py"),
    ),
    Mutant(
        "selected dead letters are not locked",
        "A dead letter is sent again once.",
        "models/intake/dead_letter_selection.py",
        ".limit(limit).with_for_update(skip_locked=True)).all()",
        ".limit(limit)).all()",
        ("tests/command_line/test_dead_letters_command.py", "tests/intake/test_dead_letter_locks.py"),
    ),
    Mutant(
        "dead letters of any project are listed",
        "A dead letter belongs to a project.",
        DEAD,
        '    return select(*columns).where(DEAD_LETTERS.c.project.collate("C") == project)',
        "    return select(*columns)",
        ("tests/intake/test_list_dead_letters.py",),
    ),
    Mutant(
        "a message that is given up again is not replaced",
        "A message that is given up twice is kept once.",
        DEAD,
        "    session.execute(adding.on_conflict_do_update(index_elements=[DEAD_LETTERS.c[name] for name in _KEY], "
        "set_=latest))",
        "    session.execute(adding) if latest else None",
        ("tests/intake/test_decide_batch.py", "tests/intake/test_dead_letter_locks.py"),
    ),
    Mutant(
        "a sweep never expires",
        "A sweep that waited for a whole period is obsolete.",
        SCHEDULE,
        '"options": {"expires": SWEEP_PERIOD.total_seconds()},',
        '"options": {},',
        BEAT,
    ),
    Mutant(
        "an audit of changes never expires",
        "An audit that waited for a whole period is obsolete.",
        SCHEDULE,
        '"options": {"expires": AUDIT_PERIOD.total_seconds()},',
        '"options": {},',
        BEAT,
    ),
    Mutant(
        "the audit of everything never expires",
        "The audit of everything begins at night.",
        SCHEDULE,
        '"options": {"expires": NIGHTLY_AUDIT_EXPIRES_SECONDS},',
        '"options": {},',
        BEAT,
    ),
    Mutant(
        "two audits run at once",
        "Only one audit runs at a time.",
        AUDITS,
        "    return bool(session.execute(select(func.pg_try_advisory_xact_lock(_LOCK))).scalar_one())",
        "    return True",
        ("tests/audit/test_scheduled_audits.py",),
    ),
    Mutant(
        "an audit of the command line waits for no other",
        "Only one audit runs at a time.",
        AUDITS,
        "    session.execute(select(func.pg_advisory_xact_lock(_LOCK)))\n",
        "",
        ("tests/audit/test_scheduled_audits.py", "tests/command_line/test_audit_command.py"),
    ),
]
