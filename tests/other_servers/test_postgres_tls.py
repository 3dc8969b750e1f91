"""PostgreSQL over TLS: an address that requires it checks the certificate and the host name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from scrip.stack.data_folder import locked_data_folder
from scrip.stack.listener import LOOPBACK
from tests.end_to_end.programs import Program
from tests.other_servers.certificates import Certificate, certificate
from tests.other_servers.faulty_databases import POSTGRES_15, Postgres15
from tests.support.environment import changed_environment
from tests.support.waiting import pause
from worker.database import transaction


class TlsPostgres(Postgres15):
    """A server that has the certificate for a host name."""

    certificate: Certificate

    def command(self) -> Sequence[str]:
        """Return the server's command, with TLS."""
        files = {"ssl_cert_file": self.certificate.file, "ssl_key_file": self.certificate.key_file}
        return [*super().command(), "-c", "ssl=on", *(f"--{name}={path}" for name, path in files.items())]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsPostgres]:
    """Run a server with a certificate by an authority that no system knows."""
    if not POSTGRES_15.exists():
        pytest.skip("PostgreSQL 15 is not installed: on Debian, apt-get install postgresql-15")
    folder = tmp_path_factory.mktemp("tls")
    issued = certificate(folder / "certificate", name=f"IP:{LOOPBACK}")
    issued.key_file.chmod(0o600)
    with locked_data_folder(folder / "home"):
        running = TlsPostgres(data_folder=folder / "home", environment=os.environ)
        running.certificate = issued
        try:
            running.create(pause)
            running.spawn()
            running.wait_ready(pause)
            yield running
        finally:
            running.stop()


def is_encrypted(url: str) -> bool:
    """Return whether the connection of a transaction has TLS."""
    with changed_environment(DATABASE_URL=url), transaction() as session:
        connection = session.connection().connection.driver_connection
        assert isinstance(connection, psycopg.Connection)
        return connection.pgconn.ssl_in_use


@pytest.mark.slow
def test_an_unknown_authority_is_not_trusted_if_tls_is_required(
    database: dict[str, str], server: TlsPostgres, tmp_path: Path
):
    """Libpq itself would check nothing. A worker says so in one line, and ends: waiting does not mend a certificate."""
    required = f"{server.url}?sslmode=require"
    with (
        changed_environment(DATABASE_URL=required),
        pytest.raises(OperationalError, match="certificate verify failed"),
        transaction() as session,
    ):
        session.connection()
    with Program("worker", folder=tmp_path / "worker", environment=database | {"DATABASE_URL": required}) as worker:
        assert worker.process.wait(60) == 1
        (line,) = [each for each in worker.log.splitlines() if each.startswith("scrip: ")]
        assert "certificate verify failed" in line
        assert "Traceback" not in worker.log


@pytest.mark.slow
def test_a_certificate_of_another_host_is_not_trusted(server: TlsPostgres):
    """The certificate is for the address, and not for the name."""
    url = server.url.replace(LOOPBACK, "localhost")
    required = f"{url}?sslmode=require&sslrootcert={server.certificate.authority_file}"
    with (
        changed_environment(DATABASE_URL=required),
        pytest.raises(OperationalError, match='does not match host name "localhost"'),
        transaction() as session,
    ):
        session.connection()


@pytest.mark.slow
def test_an_authority_is_named_in_the_address(server: TlsPostgres):
    """Or nothing is checked, if the address says so with libpq's `prefer`."""
    assert is_encrypted(f"{server.url}?sslmode=require&sslrootcert={server.certificate.authority_file}")
    assert is_encrypted(f"{server.url}?sslmode=prefer")
