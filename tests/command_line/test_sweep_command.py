"""`scrip sweep`: everything that is due is retired now, and counted."""

import pytest
from sqlalchemy import text

from tests.command_line.running import scrip, scrip_alone
from tests.support.administrator import as_administrator
from tests.support.requests import create_voucher

pytestmark = pytest.mark.usefixtures("database")

COUNTS = {
    "expired": 0,
    "maxRedemptionsReached": 0,
    "completed": 0,
    "codesExpired": 0,
    "codesMaxRedemptionsReached": 0,
    "holdsLapsed": 0,
}


def test_an_empty_database_has_nothing_to_sweep():
    """Every count is there."""
    assert scrip("sweep", "--json").lines() == [{"object": "sweep", **COUNTS}]


def test_what_is_due_is_swept_in_every_project():
    """Without beat and without a worker."""
    for project in ("gigs", "other"):
        create_voucher(project=project, restrictions={"expiresAt": "2099-01-01T00:00:00Z"})
    create_voucher()
    with as_administrator() as session:
        session.execute(text("UPDATE vouchers SET expires_at = now() WHERE expires_at IS NOT NULL"))
    assert dict(scrip("sweep").rows()) == {**dict.fromkeys(COUNTS, "0"), "expired": "2"}
    assert scrip("sweep", "--json").lines() == [{"object": "sweep", **COUNTS}]


@pytest.mark.slow
def test_a_database_that_is_not_there_is_unusable():
    """Nothing is counted."""
    done = scrip_alone("sweep", "--json", DATABASE_URL="postgresql://scrip:s3cr3t@127.0.0.1:1/none")
    assert (done.code, done.output) == (2, "")
    assert "s3cr3t" not in done.errors
