"""References that are checked once for a statement, where a foreign key would be checked for each row of a batch.

They hold what a foreign key holds: a row refers to one that is there, and what is referred to is neither deleted nor
given another key. They take no lock: whoever adds rows holds a lock on those that they refer to, or has just added
them itself. A transaction that does not see what others have added since it began deletes nothing. TRUNCATE is not
looked at.
"""

from sqlalchemy import DDL, Table, event

# A subquery for each row that was added, not NOT EXISTS: the plan is kept from the session's first batch, and with few
# rows to refer to it would be one that walks along all of them. The path is that of the migration, whoever adds rows.
_CHECKS = (
    """
    CREATE OR REPLACE FUNCTION check_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
    CREATE OR REPLACE FUNCTION keep_{name}() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
    # For each row, of statements that no task sends.
    """
    CREATE TRIGGER {name} AFTER DELETE OR UPDATE OF project, {key} ON {target}
    FOR EACH ROW EXECUTE FUNCTION keep_{name}()
""",
)


def add_foreign_key(table: Table, column: str, *, to: Table, key: str) -> None:
    """This function will have (project, column) of a table refer to (project, key) of another, wherever it is created.

    A row without a value refers to nothing. The other table is created first.
    """
    name = f"fk_{table.name}_{column}"
    for each in _CHECKS:
        statement = each.format(name=name, table=table.name, column=column, target=to.name, key=key)
        event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
    table.add_is_dependent_on(to)
