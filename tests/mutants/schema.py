"""The schema mutants, which the catalogue of a migrated database names: none is listed by hand."""

from pathlib import Path

from sqlalchemy import Connection, create_engine, text

from scrip.stack.stack import servers
from tests.mutants.mutant import SchemaMutant
from tests.support.schema import migrate

# Those with a case for each. A migration down would fail for want of what it takes away, and notice nothing.
TESTS = (
    "tests/database/test_constraints.py",
    "tests/database/test_references.py",
    "tests/database/test_append_only.py",
)
# The primary keys come with their NOT NULL. A unique key that others refer to takes them with it.
_CONSTRAINTS = text("""
    SELECT format('%s.%s', conrelid::regclass, conname) AS name,
           format('ALTER TABLE %s DROP CONSTRAINT %I CASCADE', conrelid::regclass, conname) AS statement
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND conparentid = 0 AND contype IN ('c', 'f', 'p', 'u', 'x')
    UNION ALL
    SELECT format('%s.%s', indrelid::regclass, relname), format('DROP INDEX %I', relname)
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indisunique AND relnamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT format('%s.%s', tgrelid::regclass, tgname), format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass)
    FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT format('%s.%s not null', attrelid::regclass, attname),
           format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', attrelid::regclass, attname)
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND attnum > 0 AND attnotnull
          AND NOT EXISTS (
              SELECT FROM pg_index WHERE indrelid = attrelid AND indisprimary AND attnum = ANY(indkey::smallint[])
          )
    ORDER BY 1
""")


def schema_mutants(connection: Connection) -> list[SchemaMutant]:
    """Return a mutant for each constraint, unique index and trigger of the database, sorted by name."""
    rows = connection.execute(_CONSTRAINTS).all()
    return [
        SchemaMutant(name=f"schema {row.name}", statement=row.statement)
        for row in rows
        # Alembic's own table is none of ours.
        if not row.name.startswith("alembic_version.")
    ]


def read_schema_mutants(folder: Path) -> list[SchemaMutant]:
    """Migrate a new database in the folder, and return the mutants of it."""
    with servers(folder) as variables:
        migrate(variables)
        engine = create_engine(variables["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:"))
        try:
            with engine.connect() as connection:
                return schema_mutants(connection)
        finally:
            engine.dispose()
