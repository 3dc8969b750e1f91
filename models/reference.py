"""References that are checked once for a statement, where a foreign key would be checked for each row of a batch.

They hold what a foreign key holds: a row refers to one that is there, and what is referred to is neither deleted nor
given another key. They take no lock: whoever adds rows holds a lock on those that they refer to, or has just added
them itself.
"""

from sqlalchemy import DDL, Table, event

_FUNCTIONS = (
    """
    CREATE OR REPLACE FUNCTION check_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (
            SELECT FROM added WHERE added.{column} IS NOT NULL AND NOT EXISTS (
                SELECT FROM {target} WHERE {target}.project = added.project AND {target}.{key} = added.{column}
            )
        ) THEN
            RAISE EXCEPTION '{table} must refer to a row of {target} that is there'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
    """
    CREATE OR REPLACE FUNCTION keep_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.project, NEW.{key}) IS DISTINCT FROM (OLD.project, OLD.{key})
           AND EXISTS (SELECT FROM {table} WHERE project = OLD.project AND {column} = OLD.{key}) THEN
            RAISE EXCEPTION '{target} must keep a row that {table} refers to'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = '{name}', TABLE = '{table}';
        END IF;
        RETURN NULL;
    END $$
""",
)
_TRIGGERS = (
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


def refer(table: Table, column: str, *, to: Table, key: str) -> Table:
    """This function will have (project, column) of a table refer to (project, key) of another, wherever it is created.

    A row without a value refers to nothing. The other table is created first.
    """
    name = f"fk_{table.name}_{column}"
    for each in (*_FUNCTIONS, *_TRIGGERS):
        statement = each.format(name=name, table=table.name, column=column, target=to.name, key=key)
        event.listen(table, "after_create", DDL(statement))  # type: ignore[no-untyped-call]
    table.add_is_dependent_on(to)
    return table
