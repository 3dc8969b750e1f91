"""libpq's parameters of TLS in DATABASE_URL."""

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.environment import changed_environment
from worker.database import transaction


def test_a_server_without_tls_is_refused_if_the_address_demands_it(database: dict[str, str]):
    """The parameter reaches libpq, and nothing is sent in the clear."""
    demanded = f"{database['DATABASE_URL']}?sslmode=verify-full&sslrootcert=system"
    with (
        changed_environment(DATABASE_URL=demanded),
        pytest.raises(OperationalError, match="does not support SSL"),
        transaction() as session,
    ):
        session.connection()
