"""The roles of the embedded PostgreSQL server, made by the script that operators run."""

from collections.abc import Mapping

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from scrip.stack.procfile import PROCFILE

OWNER, WORKER, READER = "scrip_owner", "scrip_worker", "scrip_reader"
ROLES = (OWNER, WORKER, READER)
ROLES_SCRIPT = PROCFILE.parent / "deploy" / "postgres" / "roles.sql"


def create_roles(url: str, *, passwords: Mapping[str, str]) -> None:
    """Run the script in the database of a superuser's URL, and give the roles these passwords.

    Raises psycopg.Error if the server refuses it.
    """
    with psycopg.connect(url) as connection:
        connection.execute(ROLES_SCRIPT.read_bytes())
        for role, password in passwords.items():
            connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(password)))
