"""Append-only tables: a trigger refuses UPDATE, DELETE and TRUNCATE."""

from sqlalchemy import DDL, Table, event

# The SQLSTATE tells this error apart from faults that are worth a retry. `%%` is how SQLAlchemy's DDL writes `%`.
_REFUSE_CHANGE = DDL(  # type: ignore[no-untyped-call]  # DDL has no types
    """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%% is append-only: %% is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""
)
# The trigger runs once per statement, and never for an INSERT.
_TRIGGER = DDL(  # type: ignore[no-untyped-call]  # DDL has no types
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %(table)s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
)


def append_only(table: Table) -> Table:
    """Add the trigger to the table's DDL, and return the table."""
    event.listen(table, "after_create", _REFUSE_CHANGE)
    event.listen(table, "after_create", _TRIGGER)
    return table
