"""The schema: migrations go up, down and up again, and make what the metadata says, constraint by constraint."""

import pytest
from sqlalchemy import UniqueConstraint, create_engine, make_url, text

from models.base import Base
from scrip.stack.listener import free_port
from tests.support.schema import alembic, migrate

CATALOGUE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, udt_name
        FROM information_schema.columns WHERE table_schema = 'public'
    """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    """,
    "triggers": "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "functions": "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "statistics": """
        SELECT attrelid::regclass::text, attname, attstattarget FROM pg_attribute
        WHERE attrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r')
              AND attstattarget IS NOT NULL
    """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
}


def catalogue_of(database_url: str) -> dict[str, set[tuple]]:
    """Return the definitions of everything in a database, by kind."""
    engine = create_engine(database_url)
    with engine.connect() as connection:
        found = {
            kind: {tuple(row) for row in connection.execute(text(query)) if "alembic_version" not in row[0]}
            for kind, query in CATALOGUE.items()
        }
    engine.dispose()
    return found


@pytest.mark.slow
def test_migrations_go_up_down_and_up_again_and_agree_with_the_metadata(two_databases):
    """Columns, defaults, constraints and indexes are the same, by their definitions in the catalogue."""
    of_metadata, of_migrations = two_databases
    engine = create_engine(of_metadata)
    Base.metadata.create_all(engine)
    engine.dispose()
    migrate({"DATABASE_URL": of_migrations})
    alembic({"DATABASE_URL": of_migrations}, "downgrade", "base")
    assert catalogue_of(of_migrations) == {kind: set() for kind in CATALOGUE}
    migrate({"DATABASE_URL": of_migrations})
    assert catalogue_of(of_migrations) == catalogue_of(of_metadata)
    assert len(catalogue_of(of_metadata)["constraints"]) > 60
    assert {row[:2] for row in catalogue_of(of_metadata)["statistics"]} == {
        (table.name, "project") for table in Base.metadata.sorted_tables
    }


@pytest.mark.slow
def test_a_release_without_its_database_ends_with_one_line(environment):
    """Which says why, and nothing of the password."""
    url = make_url(environment["DATABASE_URL"]).set(port=free_port())
    unreachable = {"DATABASE_URL": url.render_as_string(hide_password=False)}
    ended = alembic(unreachable, "upgrade", "head", check=False)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("scrip: the database cannot be migrated: ")
    assert "refused" in line
    assert str(url.password) not in line


def test_every_key_holds_the_project():
    """So that the tables can be distributed by it."""
    for table in Base.metadata.sorted_tables:
        assert next(iter(table.primary_key.columns)).name == "project"
        for index in table.indexes:
            if index.unique:
                assert any("project" in str(each) for each in index.expressions)
        assert not [each for each in table.constraints if isinstance(each, UniqueConstraint)]
