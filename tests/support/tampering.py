"""Rows that are changed behind the back of the program."""

from sqlalchemy import text

from worker.database import transaction


def tamper(statements: str) -> None:
    """This function will run statements that no use case would."""
    with transaction() as session:
        # Neither can the ledger be changed otherwise.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements.split(";"):
            session.execute(text(statement.replace(":", r"\:").replace(r"\:\:", "::")))
