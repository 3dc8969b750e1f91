"""Where children are not processes, messages are verified on arrival. Celery's retries are signed by Scrip's key."""

from pathlib import Path

import pytest

from tests.end_to_end.broker import with_redis
from tests.end_to_end.busy_child import REDEEM
from tests.end_to_end.client import Client
from tests.end_to_end.database import holding_voucher, row_counts, rows
from tests.end_to_end.programs import Worker
from tests.end_to_end.vouchers import created_voucher
from tests.signing.conftest import SIGNED, signing_variables
from tests.signing.putting import without_key
from tests.signing.signing import Key, SigningSender
from tests.support.requests import redemption
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_other_pools_answer_signed_messages_only(database: dict[str, str], tmp_path: Path, pool: str) -> None:
    """Also one that is tried again, because a lock is held for longer than the worker waits."""
    gigs, own = Key("gigs-1"), Key("scrip-1", projects=["*"])
    variables = signing_variables(with_redis(database, number=SIGNED - 1), tmp_path, gigs, own=own)
    folder = tmp_path / pool
    with Worker(folder=folder, environment=variables, pool=pool) as worker, Client(variables) as client:
        worker.wait_ready()
        refused = client.outcome(client.send(REDEEM, redemption(code="NONE")))
        assert refused["result"]["exc_type"] == "NotAllowed"
        assert row_counts(variables["DATABASE_URL"]) == {}
        with SigningSender(gigs):
            voucher = created_voucher(client, name="Held")
            with holding_voucher(variables["DATABASE_URL"], name="Held"):
                sent = client.send(REDEEM, redemption(voucher=voucher))
                eventually(lambda: client.broker.state(sent)["status"] == "RETRY")
        eventually(lambda: client.broker.state(sent)["status"] == "SUCCESS")
        assert rows(variables["DATABASE_URL"], "SELECT redemptions FROM vouchers") == [(1,)]
        worker.wait_until_acknowledged()


def test_such_a_worker_needs_a_key_of_its_own(database: dict[str, str], tmp_path: Path) -> None:
    """Its retries would be refused."""
    gigs = Key("gigs-1")
    variables = without_key(signing_variables(with_redis(database, number=SIGNED - 1), tmp_path, own=gigs))
    with Worker(folder=tmp_path / "solo", environment=variables, pool="solo") as worker:
        eventually(lambda: not worker.is_alive())
        assert "SCRIP_SIGNERS_FILE is set, so SCRIP_SIGNING_KEY_FILE is required" in worker.log


def test_a_file_of_signers_that_is_wrong_ends_the_worker_with_one_line(
    database: dict[str, str], tmp_path: Path
) -> None:
    """Before its start."""
    path = tmp_path / "signers.json"
    path.write_text("{}")
    path.chmod(0o644)
    variables = with_redis(database, number=SIGNED - 1) | {"SCRIP_SIGNERS_FILE": str(path)}
    with Worker(folder=tmp_path / "worker", environment=variables) as worker:
        eventually(lambda: not worker.is_alive())
        assert worker.process.returncode == 1
        assert worker.log.strip().endswith(
            "scrip: SCRIP_SIGNERS_FILE cannot be used: its mode is 0644, and others may use it: chmod 0600"
        )
        assert "Traceback" not in worker.log
