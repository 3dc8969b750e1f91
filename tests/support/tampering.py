"""Rows changed behind the back of the program, for tests of the audit."""

from sqlalchemy import text

from worker.database import transaction


def tamper(statements: str) -> None:
    """Run statements that no use case would run."""
    with transaction() as session:
        # Without triggers, because those of the ledger refuse every change.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements.split(";"):
            session.execute(text(statement.replace(":", r"\:").replace(r"\:\:", "::")))
