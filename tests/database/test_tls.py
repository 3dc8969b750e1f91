"""libpq's parameters of TLS in DATABASE_URL. tests/other_servers has a server with TLS."""

import pytest
from sqlalchemy.exc import OperationalError

from tests.support.environment import changed_environment
from worker.database import transaction
from worker.database_url import read_database_url


def test_a_server_without_tls_is_refused_if_the_address_demands_it(database: dict[str, str]):
    """The parameter reaches libpq, and nothing is sent in the clear."""
    demanded = f"{database['DATABASE_URL']}?sslmode=verify-full&sslrootcert=system"
    with (
        changed_environment(DATABASE_URL=demanded),
        pytest.raises(OperationalError, match="does not support SSL"),
        transaction() as session,
    ):
        session.connection()


def test_other_modes_of_libpq_stay_as_they_are(monkeypatch: pytest.MonkeyPatch):
    """Whoever wrote them meant them. The variable of libpq names the authority too."""
    for mode in ("disable", "allow", "prefer", "verify-ca", "verify-full"):
        assert read_database_url(f"postgresql://host/scrip?sslmode={mode}").query["sslmode"] == mode
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    assert read_database_url("postgresql://host/scrip?sslmode=require").query["sslrootcert"] == "system"
    monkeypatch.setenv("PGSSLROOTCERT", "/etc/ca.pem")
    assert read_database_url("postgresql://host/scrip?sslmode=require").query["sslrootcert"] == "/etc/ca.pem"
