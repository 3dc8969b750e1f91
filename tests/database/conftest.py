"""Extra databases for tests of the schema."""

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, make_url, text


@pytest.fixture
def two_databases(environment: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Create two empty databases beside the database of the other tests, and yield their URLs."""
    url = make_url(environment["DATABASE_ADMINISTRATOR_URL"]).set(drivername="postgresql+psycopg")
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    names = ("schema_of_metadata", "schema_of_migrations")
    with server.connect() as connection:
        for name in names:
            connection.execute(text(f"CREATE DATABASE {name}"))
        of_metadata, of_migrations = (server.url.set(database=name) for name in names)
        yield of_metadata.render_as_string(hide_password=False), of_migrations.render_as_string(hide_password=False)
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()
