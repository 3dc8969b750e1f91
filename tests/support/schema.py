"""The schema in a database of a test's own, without the migrations, which take seconds."""

from sqlalchemy import create_engine, text

from models.base import Base
from worker.database_check import revisions

# The environment variable with a statement that takes a constraint away from the database of the tests. `make mutants`
# sets it.
SCHEMA_MUTANT = "SCRIP_TESTS_SCHEMA_MUTANT"


def create_schema(url: str) -> None:
    """Create the tables, and let the database say that every migration has run: a worker starts on no other."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": revisions()[-1]})
    engine.dispose()
