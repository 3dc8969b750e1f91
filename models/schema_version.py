"""The version of the schema that the database has."""

from sqlalchemy import text
from sqlalchemy.orm import Session


def find_schema_versions(session: Session) -> list[str]:
    """Return the revisions of the migrations that the database has reached. There is one, unless somebody branched.

    Raises ProgrammingError if nothing was ever migrated.
    """
    return list(session.execute(text("SELECT version_num FROM alembic_version ORDER BY version_num")).scalars())
