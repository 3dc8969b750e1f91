"""Rows changed behind the back of the program, for tests of the audit."""

from sqlalchemy import text

from tests.support.administrator import as_administrator

# Adds the changes that were made to vouchers by SQL to their histories, as an earlier release would have told them.
TELL_CHANGES = """
    INSERT INTO voucher_changes (project, voucher_id, id, kind, created_at)
    SELECT voucher.project, voucher.id, gen_random_uuid(), told.kind, told.at
    FROM vouchers AS voucher
    CROSS JOIN LATERAL (
        VALUES ('updated', voucher.updated_at),
               ('retired', CASE voucher.retired_reason WHEN 'manualAction' THEN voucher.retired_at END)
    ) AS told (kind, at)
    WHERE told.at IS NOT NULL AND NOT EXISTS (
        SELECT FROM voucher_changes AS change
        WHERE change.project = voucher.project AND change.voucher_id = voucher.id AND change.kind = told.kind
              AND change.created_at = told.at
    );
    INSERT INTO voucher_changes (project, voucher_id, id, kind, code_id, created_at)
    SELECT code.project, code.voucher_id, gen_random_uuid(), 'code_retired', code.id, code.retired_at
    FROM codes AS code
    WHERE code.retired_reason = 'manualAction' AND NOT EXISTS (
        SELECT FROM voucher_changes AS change WHERE change.project = code.project AND change.code_id = code.id
    )
"""


def tamper(statements: str) -> None:
    """Run statements that no use case would run."""
    with as_administrator() as session:
        # Without triggers, because those of the ledger refuse every change.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements.split(";"):
            session.execute(text(statement.replace(":", r"\:").replace(r"\:\:", "::")))


def tell_changes() -> None:
    """Add the changes that were made to vouchers by SQL to their histories."""
    tamper(TELL_CHANGES)
