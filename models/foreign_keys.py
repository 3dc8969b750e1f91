"""Foreign keys that triggers check once per statement. PostgreSQL's own are checked once per row of a batch.

They guarantee the same: a row refers to an existing row, which is neither deleted nor given another key.

There are three differences:

- They take no lock. A transaction that inserts rows must have locked or inserted the rows to which the new rows refer.
- Above READ COMMITTED, no referenced row can be deleted, because the transaction cannot see references that others
  have added since its snapshot.
- TRUNCATE is not checked.
"""

from sqlalchemy import DDL, Table, event

# The check is a subquery for each added row, not NOT EXISTS. The session keeps the plan of its first batch, and while
# the referenced table is small, NOT EXISTS would be planned as a scan of that whole table.
# The search path is fixed, for every session that inserts rows. Without its mention, `pg_temp` would be searched first:
# whoever may make temporary tables could put one in the place of the referenced table.
_FUNCTIONS_AND_TRIGGERS = (
    """
    CREATE OR REPLACE FUNCTION check_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.{column} IS NOT NULL AND (
                SELECT {target}.{key} FROM {target}
                WHERE {target}.project = added.project AND {target}.{key} = added.{column}
            ) IS NULL
        ) THEN
            RAISE EXCEPTION '{table} must refer to a row of {target} that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
    """
    CREATE OR REPLACE FUNCTION keep_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
    BEGIN
        IF (NEW.project, NEW.{key}) IS DISTINCT FROM (OLD.project, OLD.{key})
           AND (current_setting('transaction_isolation') <> 'read committed'
                OR EXISTS (SELECT FROM {table} WHERE project = OLD.project AND {column} = OLD.{key})) THEN
            RAISE EXCEPTION '{target} must keep a row that {table} may refer to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
    """
    CREATE TRIGGER {name}_inserted AFTER INSERT ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_{name}()
""",
    """
    CREATE TRIGGER {name}_updated AFTER UPDATE ON {table} REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION check_{name}()
""",
    # Once per row is cheap enough here, because no task sends such a statement.
    """
    CREATE TRIGGER {name} AFTER DELETE OR UPDATE OF project, {key} ON {target}
    FOR EACH ROW EXECUTE FUNCTION keep_{name}()
""",
)


def add_foreign_key(table: Table, column: str, *, to: Table, key: str) -> None:
    """Add a foreign key from (project, column) of a table to (project, key) of another to the table's DDL.

    NULL refers to nothing. The other table is created first.
    """
    name = f"fk_{table.name}_{column}"
    for each in _FUNCTIONS_AND_TRIGGERS:
        statement = each.format(name=name, table=table.name, column=column, target=to.name, key=key)
        event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]  # DDL has no types
    table.add_is_dependent_on(to)
