"""Tables whose rows are written once: the database refuses to change or to delete what stands in them."""

from sqlalchemy import DDL, Table, event

# Told by its SQLSTATE from what is worth a retry. A percent sign is doubled for SQLAlchemy.
_REFUSE_CHANGE = DDL(  # type: ignore[no-untyped-call]
    """
    CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%% is append-only: %% is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END $$
"""
)
# Once for a statement, never for a row: an INSERT does not meet it at all.
_TRIGGER = DDL(  # type: ignore[no-untyped-call]
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %(table)s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
"""
)


def append_only(table: Table) -> Table:
    """This function will have the table refuse UPDATE, DELETE and TRUNCATE wherever it is created."""
    event.listen(table, "after_create", _REFUSE_CHANGE)
    event.listen(table, "after_create", _TRIGGER)
    return table
