"""A forged message under the id of a poison message counts no attempt, and never becomes a dead letter."""

from pathlib import Path

import pytest

from tests.intake.deliveries import LOST, REDEEM, batch, begin_alone, fates, query, run
from tests.signing.signing import HEADER, Key, write_signers
from tests.support.environment import changed_environment
from worker.intake.delivery import Delivery, Fate
from worker.signing.statement import Claim, claim_of

ALONE_MAX = 3


def claimed(delivery: Delivery, key: Key | None) -> Claim:
    """Return what a message says of itself."""
    assert delivery.original
    fields = {"task": REDEEM, "id": delivery.id}
    body = delivery.original.body
    header = {} if key is None else {HEADER: key.header(fields=fields, queue="redemptions", body=body)}
    return claim_of(headers=header, fields=fields, queue="redemptions", body=body, encoding="utf-8")


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("child_death", ["", LOST])
def test_a_forged_message_is_refused_before_it_is_given_up(tmp_path: Path, child_death: str) -> None:
    """An operator would send it again, signed by Scrip's own key. The message beside it is decided."""
    key = Key("gigs-1")
    forged, good = batch(2, redelivered=True)
    begin_alone([forged], times=20)
    path = write_signers(tmp_path / "signers.json", key)
    with changed_environment(SCRIP_SIGNERS_FILE=str(path)):
        delivered = [forged._replace(claim=claimed(forged, None)), good._replace(claim=claimed(good, key))]
        outcomes = run(REDEEM, delivered, child_death)
    assert fates(outcomes) == [Fate.FAILED, Fate.SUCCEEDED]
    assert outcomes[0].shown == "unsigned"
    assert query("SELECT * FROM dead_letters") == []
    assert query("SELECT alone FROM attempts") == [(20,)]
    assert query("SELECT count(*) FROM redemptions") == [(1,)]
