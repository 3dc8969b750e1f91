"""Broker and result store over TLS: a server without a valid certificate is not trusted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from scrip.stack.listener import LOOPBACK
from tests.end_to_end.database import rows
from tests.end_to_end.flower import running_flower
from tests.end_to_end.programs import Program, Worker
from tests.other_servers.celery_client import CeleryClient
from tests.other_servers.certificates import Certificate, certificate
from tests.other_servers.redis_servers import TlsRedis
from tests.support.waiting import DEADLINE_SECONDS

REFUSED = "CERTIFICATE_VERIFY_FAILED"


@pytest.fixture
def issued(tmp_path: Path) -> Certificate:
    """Make a certificate for the loopback address, by an authority that no system knows."""
    return certificate(tmp_path / "certificate", name=f"IP:{LOOPBACK}")


@pytest.fixture
def server(tmp_path: Path, issued: Certificate) -> Iterator[TlsRedis]:
    """Run a Redis with that certificate."""
    with TlsRedis(tmp_path / "redis", issued) as running:
        yield running


@pytest.mark.slow
def test_a_redemption_is_decided_over_tls(
    database: dict[str, str], server: TlsRedis, issued: Certificate, tmp_path: Path
) -> None:
    """The URL names the authority, for broker and result store alike. Flower reads the queues too."""
    url = f"{server.url}?ssl_ca_certs={issued.authority_file}"
    variables = database | {"BROKER_URL": url, "RESULT_BACKEND_URL": url}
    sender_url = f"{url}&ssl_cert_reqs=required"
    with (
        Worker(folder=tmp_path / "worker", environment=variables) as worker,
        CeleryClient(broker_url=sender_url, result_backend=sender_url) as sender,
    ):
        worker.wait_ready()
        sender.create_voucher("SUMMER")
        sender.redeem("SUMMER")
        assert rows(database["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(1,)]
        with running_flower(tmp_path / "flower", variables) as flower:
            assert flower.queue_lengths()
        assert "Traceback" not in worker.log


@pytest.mark.slow
def test_the_systems_authorities_can_be_named_for_every_url(
    database: dict[str, str], server: TlsRedis, issued: Certificate, tmp_path: Path
) -> None:
    """OpenSSL itself reads SSL_CERT_FILE, so a URL without parameters is enough."""
    url = server.url
    variables = database | {"BROKER_URL": url, "RESULT_BACKEND_URL": url, "SSL_CERT_FILE": str(issued.authority_file)}
    with Worker(folder=tmp_path / "worker", environment=variables) as worker:
        worker.wait_ready()


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["scrip", "stock"])
def test_an_unknown_authority_is_not_trusted(
    database: dict[str, str], server: TlsRedis, tmp_path: Path, transport: str
) -> None:
    """A URL without parameters checks the certificate against the system's authorities. The worker ends with a line."""
    url = server.url
    variables = database | {"BROKER_URL": url, "RESULT_BACKEND_URL": url, "SCRIP_BROKER_TRANSPORT": transport}
    with Program("worker", folder=tmp_path / "worker", environment=variables) as worker:
        assert worker.process.wait(DEADLINE_SECONDS) == 1
        (line,) = [each for each in worker.log.splitlines() if each.startswith("scrip: ")]
        assert line.startswith("scrip: the broker cannot be used: ")
        assert REFUSED in line
        assert "Traceback" not in worker.log


@pytest.mark.slow
def test_a_certificate_of_another_host_is_not_trusted(database: dict[str, str], tmp_path: Path) -> None:
    """The authority is known, but the name is not that of the URL."""
    of_another = certificate(tmp_path / "certificate", name="DNS:elsewhere.example")
    with TlsRedis(tmp_path / "redis", of_another) as server:
        url = f"{server.url}?ssl_ca_certs={of_another.authority_file}"
        variables = database | {"BROKER_URL": url, "RESULT_BACKEND_URL": url}
        with Worker(folder=tmp_path / "worker", environment=variables) as worker:
            worker.eventually(lambda: REFUSED in worker.log)
            assert " ready." not in worker.log
        unchecked = variables | {"BROKER_URL": f"{url}&ssl_check_hostname=false"}
        with Worker(folder=tmp_path / "unchecked", environment=unchecked) as worker:
            worker.wait_ready()
