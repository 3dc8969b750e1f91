"""Changes that no test can notice, each with the proof. They are not run."""

from tests.mutants.mutant import Equivalent

EQUIVALENT = [
    Equivalent(
        "a purchase of this moment is in the future",
        "domain/decisive_instant.py",
        "decided_at - grace <= requested_at <= decided_at",
        "decided_at - grace <= requested_at < decided_at",
        "If the two instants are equal, either branch returns the same instant.",
    ),
    Equivalent(
        "the end of a hold when a redemption has its id",
        "tasks/redemptions/held_places.py",
        "for each in open_holds if each.expires_at > at)",
        "for each in open_holds if each.expires_at >= at)",
        "A hold whose end has come was noted as closed before, and `hold_to_confirm` returns no closed hold.",
    ),
    Equivalent(
        "unknown codes of any project are counted",
        "models/redemptions/failed_attempts.py",
        "(FAILED_ATTEMPTS.c.project == _KEYS.c.project) & (FAILED_ATTEMPTS.c.customer == _KEYS.c.customer)",
        "(FAILED_ATTEMPTS.c.customer == _KEYS.c.customer)",
        "The counts are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "stored redemptions of any project are replayed",
        "models/redemptions/redemption.py",
        "and_(REDEMPTIONS.c.project == _REQUESTS.c.project, REDEMPTIONS.c.request_id == _REQUESTS.c.request_id)",
        "and_(REDEMPTIONS.c.request_id == _REQUESTS.c.request_id)",
        "They are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "holds of any project are replayed",
        "models/redemptions/hold.py",
        "and_(HOLDS.c.project == _REQUESTS.c.project, HOLDS.c.request_id == _REQUESTS.c.request_id)",
        "and_(HOLDS.c.request_id == _REQUESTS.c.request_id)",
        "They are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "invoices of any project are replayed",
        "models/invoices/ledger.py",
        "INVOICE_DISCOUNTS.c.project == _INVOICES.c.project, INVOICE_DISCOUNTS.c.invoice == _INVOICES.c.invoice",
        "INVOICE_DISCOUNTS.c.invoice == _INVOICES.c.invoice",
        "They are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "reversals of any project are answered for another",
        "models/invoices/reversal.py",
        "and_(INVOICE_REVERSALS.c.project == _INVOICES.c.project, INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice)",
        "and_(INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice)",
        "They are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "the latest reversal of any project is named",
        "models/invoices/latest_reversal.py",
        "INVOICE_REVERSALS.c.project == _INVOICES.c.project, INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice",
        "INVOICE_REVERSALS.c.invoice == _INVOICES.c.invoice",
        "They are kept by the project of their rows, and looked up by the project of the request.",
    ),
    Equivalent(
        "the attempts of any project are found",
        "models/intake/attempt.py",
        "(ATTEMPTS.c.project == _WANTED.c.projects) & (ATTEMPTS.c.task_id == _WANTED.c.task_ids)",
        "(ATTEMPTS.c.task_id == _WANTED.c.task_ids)",
        "They are kept by the project of their rows, and looked up by the project of the message.",
    ),
    Equivalent(
        "a fingerprint of an erasure is recognized in any project",
        "models/customers/erasure.py",
        "select(exists().where(columns.project == project, columns.key",
        "select(exists().where(columns.key",
        "The fingerprint is a hash with the 32 random bytes of one erasure, which is of the stored answer's project. "
        "No erasure of another project has the same key.",
    ),
    Equivalent(
        "an erasure is ended in any project",
        "models/customers/erasure.py",
        "running = (columns.project == of.project, columns.id == of.id,",
        "running = (columns.id == of.id,",
        "The id is a UUIDv7 of this process with 62 random bits, and no caller can choose it: no other project has it.",
    ),
    Equivalent(
        "the beginning of a name is found in all projects",
        "models/vouchers/filter.py",
        'f\'project COLLATE "C" = :project AND {NAME_KEY}',
        "f'{NAME_KEY}",
        "Whatever was found is narrowed to the project.",
    ),
    Equivalent(
        "what was found by metadata or name is not narrowed to the project",
        "models/vouchers/listing.py",
        'in_span = "project = :project AND id',
        'in_span = "id',
        "The digest of a metadata pair has the project, and so has the condition on names.",
    ),
    Equivalent(
        "an erasure of any project allows to rename",
        "models/customers/renaming.py",
        "WHERE project = :project AND id = :id AND customer IS NOT",
        "WHERE id = :id AND customer IS NOT",
        "The id is a UUIDv7 of this process with 62 random bits, and no caller can choose it: no other project has it.",
    ),
    Equivalent(
        "a reversal is renamed after an invoice of any project",
        "models/customers/renaming.py",
        "ON invoice.project = reversal.project AND invoice",
        "ON invoice",
        "The invoice has the pseudonym of the erasure, whose 128 bits are random: no other project has it.",
    ),
    Equivalent(
        "usage of any project is looked for",
        "models/customers/recorded.py",
        "WHERE project = :project AND customer = :customer AND created_at",
        "WHERE customer = :customer AND created_at",
        "For a voucher that only another project has recorded usage of, no reference of this project is found.",
    ),
    Equivalent(
        "the references of any project's usage are found",
        "models/customers/recorded.py",
        "discount_id FROM usage_records\n    WHERE project = :project AND voucher_id",
        "discount_id FROM usage_records\n    WHERE voucher_id",
        "Entries are renamed by project and customer, cards' redemptions by a digest with both and the reference, "
        "and discounts only if they are the customer's.",
    ),
    Equivalent(
        "answers to any project are read in pages",
        "models/customers/stored_answers.py",
        "WHERE project = :project AND (task, key)",
        "WHERE (task, key)",
        "The pages have every task and key of the project too, in the same order, and its answers alone are renamed.",
    ),
]
